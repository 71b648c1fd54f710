/** Where basins are (S2's locations). A server of its own has one location. */

import { DEFAULT_STREAM_CONFIG, STORAGE_CLASSES, type StorageClass } from './stream-config.ts';

export interface Location {
  readonly name: string;
  readonly isPrivate: boolean;
  readonly storageClasses: readonly StorageClass[];
  readonly defaultStorageClass: StorageClass;
}

export const LOCATION: Location = {
  name: 'local',
  isPrivate: true,
  storageClasses: STORAGE_CLASSES,
  defaultStorageClass: DEFAULT_STREAM_CONFIG.storageClass,
};
