/** Sends to datagram unix sockets, which Node does not know. */
import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { syscall, systemError } from './libc.ts';

const AF_UNIX = 1;
// SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC
const SOCKET_TYPE = 2 | 0o4000 | 0o2000000;
const MSG_NOSIGNAL = 0x4000;
const PATH_BYTES = 107;

const socket = syscall<[number, number, number]>('int socket(int domain, int type, int protocol)');
const sendto = syscall<[number, Buffer, number, number, Buffer, number]>(
  'long sendto(int fd, const void *bytes, size_t length, int flags, const void *address, unsigned int size)',
);

/** One datagram; `@name` is a socket without a file. Errors are those of sendto(2), such as `ENOENT`. */
export function sendDatagram(path: string, text: string): void {
  const name = Buffer.from(path.startsWith('@') ? `\0${path.slice(1)}` : path);
  if (name.length > PATH_BYTES) throw systemError(constants.errno.ENAMETOOLONG, 'sendto', path);
  const address = Buffer.concat([Buffer.from([AF_UNIX, 0]), name]);
  const bytes = Buffer.from(text);
  const fd = socket(AF_UNIX, SOCKET_TYPE, 0);
  try {
    sendto(fd, bytes, bytes.length, MSG_NOSIGNAL, address, address.length);
  } finally {
    closeSync(fd);
  }
}
