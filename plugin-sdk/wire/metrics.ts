/** `MetricsCollector.*`: told when it may read the daemon's metrics socket, and when that ends. */
import { ErrorAnswer, NoRequest, wireMethod } from './method.ts';

export const metricsMethods = {
  startMetrics: wireMethod('MetricsCollector.StartMetrics', NoRequest, ErrorAnswer, { body: 'none' }),
  stopMetrics: wireMethod('MetricsCollector.StopMetrics', NoRequest, ErrorAnswer, {
    body: 'none',
    reply: 'ignored',
  }),
};
