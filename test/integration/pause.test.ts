/** A paused container over crashes of the daemon. */
import t from 'tap';
import { startTestDaemon } from '../fixtures/daemon.ts';

t.test('a paused container stays paused while the daemon is away, and can be let go', async (t) => {
  const daemon = await startTestDaemon(t);
  await daemon.loadBusybox();
  await daemon.docker(['run', '-d', '--name', 'box', '--network', 'none', 'busybox', 'sleep', '1000']);
  const status = async () =>
    (await daemon.docker(['inspect', 'box', '--format', '{{.State.Status}}'])).stdout.trim();
  await daemon.docker(['pause', 'box']);
  await daemon.kill();
  await daemon.restart();
  t.equal(await status(), 'paused');

  t.same(await daemon.docker(['unpause', 'box']), { stdout: 'box\n', stderr: '', code: 0 });
  await daemon.kill();
  await daemon.restart();
  t.equal(await status(), 'running');

  await daemon.docker(['pause', 'box']);
  await daemon.restart();
  t.same(await daemon.docker(['kill', 'box']), { stdout: 'box\n', stderr: '', code: 0 });
  t.equal(await status(), 'exited');
});
