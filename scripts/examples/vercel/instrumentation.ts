// instrumentation.ts, in the root of the project, or in src where there is one. Next.js calls register() at the start.
import { registerOTel } from '@vercel/otel';

export function register(): void {
  registerOTel({ serviceName: 'my-app', attributes: { 's2.stream': 'my-app' } });
}
