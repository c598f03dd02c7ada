/**
 * Clients of SOCK_SEQPACKET unix sockets, which Node does not know. A packet read is a chunk of the stream, whole and
 * alone; each write leaves as packets of at most `packetBytes`, one after the other.
 */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, dirname } from 'node:path';
import { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import koffi from 'koffi';
import { foreign, lastErrno, syscall, systemError } from './libc.ts';

const AF_UNIX = 1;
// SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC
const SOCKET_TYPE = 5 | 0o4000 | 0o2000000;
const SHUT_WR = 1;
const MSG_NOSIGNAL = 0x4000;
const O_PATH_DIRECTORY = 0o10000000 | 0o200000;
const { EAGAIN, EINTR, ECONNRESET, EPIPE } = constants.errno;

/** sizeof(sockaddr_un.sun_path), less the closing zero. */
const PATH_BYTES = 107;
/** Larger ones are cut off. */
export const MAX_PACKET_BYTES = 65_536;
/** Packets taken in one turn of the event loop: a busy socket must leave the others theirs. */
const PACKETS_A_TURN = 64;
const FULL_BACKLOG_RETRY_MS = 2;
const ACCEPTED_POLL_MS = 1;

const socket = syscall<[number, number, number]>('int socket(int domain, int type, int protocol)');
const connect = syscall<[number, Buffer, number]>(
  'int connect(int fd, const void *address, unsigned int length)',
);
const shutdown = syscall<[number, number]>('int shutdown(int fd, int how)');
const recv = foreign<[number, Buffer, number, number], number>(
  'long recv(int fd, void *bytes, size_t length, int flags)',
);
const send = foreign<[number, Buffer, number, number], number>(
  'long send(int fd, const void *bytes, size_t length, int flags)',
);

export interface SeqpacketOptions {
  /** Largest packet sent; conmon, for one, drops what is beyond 8,192 bytes. Default 8,192. */
  readonly packetBytes?: number;
  readonly signal?: AbortSignal;
}

/** Takes packets out of the socket into memory of its own, without a copy. */
export interface PacketSink {
  /** Where the next packet goes, `MAX_PACKET_BYTES` or more; undefined stops the taking until `resumeTaking`. */
  room(): Buffer | undefined;
  /** A packet of so many bytes lies at the beginning of the room that was given last. */
  received(length: number): void;
  /** For the moment there are no more. */
  flush(): void;
  /** The other side has closed; errors are events of the stream. */
  end(): void;
}

export interface SeqpacketConnection extends Duplex {
  /** Instead of reading the stream. */
  takePackets(sink: PacketSink): void;
  resumeTaking(): void;
}

/** Connects to the socket at `path`, of any length. Errors are those of connect(2): `ENOENT`, `ECONNREFUSED`. */
export async function connectSeqpacket(
  path: string,
  options: SeqpacketOptions = {},
): Promise<SeqpacketConnection> {
  const fd = socket(AF_UNIX, SOCKET_TYPE, 0);
  try {
    await connectTo(fd, path, options.signal);
    return new SeqpacketStream(fd, options.packetBytes ?? 8_192);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * Resolves when nobody waits to be accepted at a SOCK_SEQPACKET socket of that file name, at the latest after `longestMs`:
 * one that is connected and not accepted yet gets nothing of what the other side sends to all.
 */
export async function untilAccepted(fileName: string, longestMs: number): Promise<void> {
  const end = performance.now() + longestMs;
  while (performance.now() < end && isAwaited(fileName)) await delay(ACCEPTED_POLL_MS);
}

/** Of type 5 and in state 2 (connecting), which it is for the kernel while it has no descriptor; proc(5). */
function isAwaited(fileName: string): boolean {
  const lines = readFileSync('/proc/net/unix', 'latin1').split('\n');
  return lines.some((line) => / 0005 02 +\d+ /.test(line) && line.endsWith(`/${fileName}`));
}

async function connectTo(fd: number, path: string, signal: AbortSignal | undefined): Promise<void> {
  const long = Buffer.byteLength(path) > PATH_BYTES;
  const directory = long ? openSync(dirname(path), O_PATH_DIRECTORY) : undefined;
  try {
    const address = socketAddress(long ? `/proc/self/fd/${directory}/${basename(path)}` : path);
    while (!attempt(fd, address, path))
      await delay(FULL_BACKLOG_RETRY_MS, undefined, signal ? { signal } : {});
  } finally {
    if (directory !== undefined) closeSync(directory);
  }
}

/** False when the listener's backlog is full; there is nothing to poll for then. */
function attempt(fd: number, address: Buffer, path: string): boolean {
  try {
    connect(fd, address, address.length);
    return true;
  } catch (error) {
    const errno = -((error as NodeJS.ErrnoException).errno ?? 0);
    if (errno === EAGAIN || errno === EINTR) return false;
    throw systemError(errno, 'connect', path);
  }
}

function socketAddress(path: string): Buffer {
  const bytes = Buffer.from(path);
  if (bytes.length > PATH_BYTES) throw systemError(constants.errno.ENAMETOOLONG, 'connect', path);
  const address = Buffer.alloc(2 + bytes.length + 1);
  address.writeUInt16LE(AF_UNIX, 0);
  bytes.copy(address, 2);
  return address;
}

type Done = (error?: Error | null) => void;

class SeqpacketStream extends Duplex implements SeqpacketConnection {
  readonly #fd: number;
  readonly #packetBytes: number;
  readonly #poll: InstanceType<typeof koffi.node.PollHandle>;
  #buffer: Buffer | undefined;
  #sink: PacketSink | undefined;
  #interest = { readable: false, writable: false };
  #unsent: Buffer[] = [];
  #sent: Done = () => {};

  constructor(fd: number, packetBytes: number) {
    super({ allowHalfOpen: true, readableObjectMode: true });
    this.#fd = fd;
    this.#packetBytes = packetBytes;
    this.#poll = koffi.node.poll(fd, {}, () => {});
    this.#poll.stop();
  }

  override _read(): void {
    this.#want({ readable: true });
  }

  takePackets(sink: PacketSink): void {
    this.#sink = sink;
    this.#want({ readable: true });
  }

  resumeTaking(): void {
    if (!this.destroyed) this.#want({ readable: true });
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    for (let at = 0; at < chunk.length; at += this.#packetBytes) {
      this.#unsent.push(chunk.subarray(at, at + this.#packetBytes));
    }
    this.#sent = done;
    this.#flush();
  }

  override _final(done: Done): void {
    try {
      shutdown(this.#fd, SHUT_WR);
    } catch {
      // The other side has gone: it needs no end of input.
    }
    done();
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#poll.close();
    closeSync(this.#fd);
    done(error);
  }

  #want(change: { readable?: boolean; writable?: boolean }): void {
    const next = { ...this.#interest, ...change };
    if (next.readable === this.#interest.readable && next.writable === this.#interest.writable) return;
    this.#interest = next;
    if (!next.readable && !next.writable) this.#poll.stop();
    else this.#poll.start(next, () => this.#ready());
  }

  /** What is ready is found by trying: a socket in error is both. */
  #ready(): void {
    if (this.#interest.writable) this.#flush();
    if (this.#interest.readable && !this.destroyed) {
      if (this.#sink) this.#give(this.#sink);
      else this.#receive();
    }
  }

  #receive(): void {
    this.#buffer ??= Buffer.allocUnsafe(MAX_PACKET_BYTES);
    for (let taken = 0; taken < PACKETS_A_TURN; taken++) {
      const length = this.#receiveInto(this.#buffer);
      if (length === undefined) return;
      const packet = length === 0 ? null : Buffer.from(this.#buffer.subarray(0, length));
      if (!this.push(packet)) {
        this.#want({ readable: false });
        return;
      }
    }
  }

  #give(sink: PacketSink): void {
    for (let taken = 0; taken < PACKETS_A_TURN; taken++) {
      const room = sink.room();
      if (!room) {
        this.#want({ readable: false });
        return;
      }
      const length = this.#receiveInto(room);
      if (length === undefined) break;
      if (length === 0) {
        this.#want({ readable: false });
        sink.end();
        return;
      }
      sink.received(length);
    }
    if (!this.destroyed) sink.flush();
  }

  /** Undefined when there is nothing now, or when this has destroyed the stream. */
  #receiveInto(buffer: Buffer): number | undefined {
    for (;;) {
      const length = recv(this.#fd, buffer, MAX_PACKET_BYTES, 0);
      if (length >= 0) return length;
      const errno = lastErrno();
      // A reset is reported once, when the other side left input unread; its output still waits behind.
      if (errno === ECONNRESET || errno === EINTR) continue;
      if (errno !== EAGAIN) this.destroy(systemError(errno, 'recv'));
      return undefined;
    }
  }

  #flush(): void {
    for (const [index, packet] of this.#unsent.entries()) {
      if (send(this.#fd, packet, packet.length, MSG_NOSIGNAL) >= 0) continue;
      const errno = lastErrno();
      this.#unsent = this.#unsent.slice(index);
      // The other side takes no more, but what it has sent may not all have been read: that decides when this ends.
      if (errno === EPIPE || errno === ECONNRESET) break;
      if (errno === EAGAIN || errno === EINTR) this.#want({ writable: true });
      else this.#settle(systemError(errno, 'send'));
      return;
    }
    this.#settle(null);
  }

  #settle(error: Error | null): void {
    this.#unsent = [];
    this.#want({ writable: false });
    const done = this.#sent;
    this.#sent = () => {};
    done(error);
  }
}
