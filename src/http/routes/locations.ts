/** Locations: this server has one, which cannot be exchanged for another. */

import { TailraceError } from '../../model/error.ts';
import { LOCATION } from '../../model/location.ts';
import { readJson } from '../body/json-body.ts';
import { authorize, type ControlRouteDeps } from '../context.ts';
import type { Exchange } from '../exchange.ts';
import { replyJson } from '../reply.ts';
import type { Route } from '../router.ts';

const INFO = {
  name: LOCATION.name,
  is_private: LOCATION.isPrivate,
  storage_classes: LOCATION.storageClasses,
  default_storage_class: LOCATION.defaultStorageClass,
};

export function locationRoutes(deps: ControlRouteDeps): readonly Route[] {
  const list = (exchange: Exchange): void => {
    authorize(exchange, deps, { operation: 'list-locations' });
    replyJson(exchange, 200, [INFO], deps);
  };
  const get = (exchange: Exchange): void => {
    authorize(exchange, deps, { operation: 'get-default-location' });
    replyJson(exchange, 200, INFO, deps);
  };
  return [
    { method: 'GET', path: '/v1/locations', call: 'list-locations', action: 'list-locations', handle: list },
    {
      method: 'GET',
      path: '/v1/locations/default',
      call: 'get-default-location',
      action: 'get-default-location',
      handle: get,
    },
    {
      method: 'PUT',
      path: '/v1/locations/default',
      call: 'set-default-location',
      action: 'set-default-location',
      handle: (exchange) => setDefault(exchange, deps),
    },
  ];
}

async function setDefault(exchange: Exchange, deps: ControlRouteDeps): Promise<void> {
  authorize(exchange, deps, { operation: 'set-default-location' });
  const name = await readJson(exchange, deps);
  if (typeof name !== 'string')
    throw new TailraceError('bad_json', 'the body must be the name of a location, a string');
  if (name !== LOCATION.name) {
    const given = JSON.stringify(name.slice(0, 64));
    throw new TailraceError('invalid', `unknown location ${given}: this server has \`${LOCATION.name}\``);
  }
  replyJson(exchange, 200, INFO, deps);
}
