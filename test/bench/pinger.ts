/** Asks `/_ping` of a socket again and again until its stdin ends; prints the longest wait for an answer, milliseconds. */
import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

const [socketPath = ''] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
let isOver = false;
let longest = 0;

function ping(): Promise<void> {
  return new Promise((answered, failed) => {
    get({ socketPath, path: '/_ping', agent }, (answer) => {
      answer.resume();
      answer.once('end', answered);
    }).once('error', failed);
  });
}

process.stdin.once('close', () => {
  isOver = true;
});
process.stdin.resume();
await ping();
while (!isOver) {
  const begun = performance.now();
  await ping();
  longest = Math.max(longest, performance.now() - begun);
  await delay(2);
}
process.stdout.write(`${longest}\n`);
agent.destroy();
