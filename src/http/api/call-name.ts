/**
 * Every call of the HTTP port by the name that its description has. Closed: a route needs one, and `openapi.ts` does not
 * compile until each has its description.
 */

/** The `operationId` in the description of the interface. */
export type CallName =
  // OTLP
  | 'send-logs'
  | 'send-traces'
  | 'send-metrics'
  | 'send-traces-with-ids'
  | 'send-profiles'
  // records
  | 'append'
  | 'read'
  | 'read-many'
  | 'check-tail'
  | 'aggregate'
  | 'list-readers'
  // basins
  | 'list-basins'
  | 'create-basin'
  | 'get-basin-config'
  | 'ensure-basin'
  | 'reconfigure-basin'
  | 'delete-basin'
  // streams
  | 'list-streams'
  | 'create-stream'
  | 'get-stream-config'
  | 'ensure-stream'
  | 'reconfigure-stream'
  | 'delete-stream'
  // access
  | 'list-access-tokens'
  | 'issue-access-token'
  | 'get-access-token'
  | 'revoke-access-token'
  | 'rotate-access-token'
  | 'whoami'
  | 'exchange-token'
  | 'rotate-signing-key'
  | 'issue-ticket'
  | 'issue-login'
  | 'exchange-login'
  | 'end-session'
  // usage, and who sends
  | 'account-metrics'
  | 'basin-metrics'
  | 'stream-metrics'
  | 'list-senders'
  | 'list-basin-senders'
  | 'list-audit'
  // the server
  | 'list-locations'
  | 'get-default-location'
  | 'set-default-location'
  | 'health'
  | 'ping'
  | 'readiness'
  | 'scrape-metrics'
  | 'confirm-clock'
  | 'backup'
  | 'get-cluster'
  | 'drain-node'
  | 'move-basin'
  // the page, and descriptions
  | 'page'
  | 'page-file'
  | 'dashboard'
  | 'openapi'
  | 'asyncapi'
  | 'llms'
  | 'llms-full';
