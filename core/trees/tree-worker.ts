/** The thread that walks trees: one job at a time, and all of its work synchronous but for its talk with the main thread. */
import { closeSync, openSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { HostError, isHostError, messageChain } from '@gantry/plugin-sdk/errors.ts';
import { syscall } from '@gantry/plugin-sdk/system/libc.ts';
import { O_DIRECTORY, O_PATH, openInRoot } from '@gantry/plugin-sdk/system/open-in-root.ts';
import { processStartTime } from '@gantry/plugin-sdk/system/pidfd.ts';
import { type RootView, rootOfDirectory, rootOfProcess } from '@gantry/plugin-sdk/system/root-view.ts';
import { decompress } from '../archive/compression.ts';
import { readTar } from '../archive/tar-reader.ts';
import { TarWriter } from '../archive/tar-writer.ts';
import type { Failure, FromThread, RootSpec, ToThread, TreeJob } from './jobs.ts';
import { writeLayer } from './layer-tar.ts';
import { askedPath, baseName, pathStat } from './path-stat.ts';
import { TreeReader } from './read-tree.ts';
import { Talk } from './talk.ts';
import { ownerOf } from './user-in-root.ts';
import { WriteTree } from './write-tree.ts';

const CLONE_FS = 0x00000200;
const unshare = syscall<[flags: number]>('int unshare(int flags)');
const umask = syscall<[mask: number]>('unsigned int umask(unsigned int mask)');

function open(spec: RootSpec): RootView {
  if (spec.kind === 'directory') return rootOfDirectory(spec.dir, spec.mounts);
  const view = rootOfProcess(spec.pid, spec);
  if (processStartTime(spec.pid) === spec.startTime) return view;
  view.close();
  throw new HostError('Conflict', 'NOT_RUNNING', 'the container has ended meanwhile');
}

async function perform(job: TreeJob, talk: Talk): Promise<void> {
  // Apart from the other threads, so that the mask, too, is this thread's own.
  unshare(CLONE_FS);
  umask(0);
  const view = open(job.root);
  try {
    await performOn(job, view.root, talk);
  } finally {
    view.close();
  }
}

/** On the open root. */
async function performOn(job: TreeJob, root: number, talk: Talk): Promise<void> {
  const tar = new TarWriter((chunk) => talk.send(chunk));
  const check = () => talk.check();
  const reader = new TreeReader(tar, check);
  switch (job.kind) {
    case 'stat':
      return talk.opened(pathStat(root, askedPath(job.path)));
    case 'read':
      await read(root, askedPath(job.path), reader, talk);
      return tar.end();
    case 'export':
      talk.opened();
      await within(openInRoot(root, '/', O_PATH | O_DIRECTORY), (top) => reader.inside(top, ''));
      return tar.end();
    case 'layer':
      talk.opened();
      await writeLayer(root, job.changes, tar, reader);
      return tar.end();
    case 'write': {
      const owner = ownerOf(root, job.user);
      const tree = new WriteTree(root, askedPath(job.path), { ...job, owner, check });
      talk.opened();
      return tree.unpack(readTar(decompress(talk.input())));
    }
  }
}

async function read(root: number, path: string, reader: TreeReader, talk: Talk): Promise<void> {
  const stat = pathStat(root, path);
  talk.opened(stat);
  if ((stat.mode & 0o170000) === 0o040000) {
    const as = stat.name === '/' ? '/' : `${stat.name}/`;
    await within(openInRoot(root, path, O_PATH | O_DIRECTORY), (directory) => reader.whole(directory, as));
    return;
  }
  const parent = path.slice(0, path.lastIndexOf('/'));
  await within(openInRoot(root, parent, O_PATH | O_DIRECTORY), (directory) =>
    reader.entry(directory, stat.name, baseName(path)),
  );
}

async function within(named: number, work: (directory: number) => Promise<void>): Promise<void> {
  try {
    const directory = openSync(`/proc/self/fd/${named}`, O_DIRECTORY);
    try {
      await work(directory);
    } finally {
      closeSync(directory);
    }
  } finally {
    closeSync(named);
  }
}

/** Errno in words, without paths of ours. */
function asFailure(error: unknown): HostError {
  if (isHostError(error)) return error;
  const { code = '', message = String(error) } = error as NodeJS.ErrnoException;
  const words = `copy: ${message.replace(/^\w+: /, '').replace(/, \w+( ['(<].*)?$/, '')}`;
  switch (code) {
    case 'ENOENT':
      return new HostError('NotFound', 'PATH_NOT_FOUND', words);
    case 'ENOTDIR':
      return new HostError('InvalidArgument', 'NOT_A_DIRECTORY', words);
    case 'ELOOP':
      return new HostError('InvalidArgument', 'TOO_MANY_LINKS', words);
    case 'ENOSPC':
    case 'EDQUOT':
      return new HostError('ResourceExhausted', 'DISK_FULL', words);
    case 'EROFS':
      return new HostError('PermissionDenied', 'READ_ONLY', words);
    default:
      return new HostError('Internal', 'COPY_FAILED', words);
  }
}

function failureOf(error: unknown): Failure {
  const failure = asFailure(error);
  return { kind: failure.kind, code: failure.code, message: messageChain(failure) };
}

if (parentPort) {
  const port = parentPort;
  const say = (message: FromThread) => port.postMessage(message);
  const talk = new Talk(say);
  port.on('message', (message: ToThread) => {
    if (!('job' in message)) return talk.hear(message);
    talk.begin();
    perform(message.job, talk).then(
      () => say({ done: true }),
      (error: unknown) => say({ failed: failureOf(error) }),
    );
  });
}
