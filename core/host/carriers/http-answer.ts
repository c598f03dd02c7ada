/**
 * Reads one HTTP/1.x answer from the bytes of a connection as they come: by length, in chunks, or to the end of the
 * connection. Strict about framing, for what is misread here would be taken for the answer to the next call.
 */

export interface HttpAnswer {
  readonly status: number;
  readonly body: Buffer;
  /** The connection may carry another exchange. */
  readonly reusable: boolean;
}

export class MalformedAnswer extends Error {
  override readonly name = 'MalformedAnswer';
}

export interface AnswerLimits {
  readonly headBytes: number;
  readonly bodyBytes: number;
}

export const DEFAULT_ANSWER_LIMITS: AnswerLimits = { headBytes: 256 * 1024, bodyBytes: 64 * 1024 * 1024 };

type Part = 'head' | 'fixed' | 'to-end' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailer';

interface Head {
  readonly status: number;
  readonly keepAlive: boolean;
  readonly fields: ReadonlyMap<string, string>;
}

const NOTHING: Buffer = Buffer.alloc(0);
const MAX_CHUNK_LINE = 4096;

export class AnswerReader {
  readonly #limits: AnswerLimits;
  readonly #body: Buffer[] = [];
  #bodyBytes = 0;
  #rest: Buffer = NOTHING;
  #part: Part = 'head';
  /** Bytes still to come of a body with a length, or of a chunk. */
  #left = 0;
  #head: Head | undefined;

  constructor(limits: AnswerLimits = DEFAULT_ANSWER_LIMITS) {
    this.#limits = limits;
  }

  /** Takes the next bytes; the answer when they complete it. Throws MalformedAnswer. */
  push(bytes: Buffer): HttpAnswer | undefined {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    for (;;) {
      const step = this.#step();
      if (step === 'more') return undefined;
      if (step === 'done') return this.#answer();
    }
  }

  /** The connection has ended. Throws MalformedAnswer when the answer is not complete by that. */
  end(): HttpAnswer {
    if (this.#part === 'to-end') return this.#answer();
    throw new MalformedAnswer('the connection ended in the middle of the answer');
  }

  #step(): 'again' | 'more' | 'done' {
    switch (this.#part) {
      case 'head':
        return this.#readHead();
      case 'to-end':
        this.#take(this.#rest.length);
        return 'more';
      case 'fixed':
        this.#takeLeft();
        return this.#left === 0 ? 'done' : 'more';
      case 'chunk-size':
        return this.#readChunkSize();
      case 'chunk-data':
        this.#takeLeft();
        return this.#next('chunk-end', this.#left === 0);
      case 'chunk-end':
        return this.#readChunkEnd();
      case 'trailer':
        return this.#readTrailer();
    }
  }

  #readHead(): 'again' | 'more' | 'done' {
    const end = this.#rest.indexOf('\r\n\r\n');
    if (end > this.#limits.headBytes || (end === -1 && this.#rest.length > this.#limits.headBytes)) {
      throw new MalformedAnswer(`header longer than ${this.#limits.headBytes} bytes`);
    }
    if (end === -1) return refuseForeign(this.#rest);
    const head = parseHead(this.#rest.toString('latin1', 0, end));
    this.#rest = this.#rest.subarray(end + 4);
    if (head.status < 200) return 'again'; // 100 Continue and its like announce the real answer
    this.#head = head;
    return this.#frame(head);
  }

  /** Decides how the body is delimited, in the order of RFC 9112 section 6.3. */
  #frame({ status, fields }: Head): 'again' | 'done' {
    if (status === 204 || status === 304) return 'done';
    const coding = fields.get('transfer-encoding');
    const length = fields.get('content-length');
    if (coding !== undefined) {
      if (coding.toLowerCase() !== 'chunked') throw new MalformedAnswer(`transfer encoding "${coding}"`);
      this.#part = 'chunk-size';
    } else if (length === undefined) this.#part = 'to-end';
    else {
      if (!/^\d+$/.test(length)) throw new MalformedAnswer(`content length "${length}"`);
      this.#left = Number(length);
      this.#checkSize(this.#left);
      this.#part = 'fixed';
    }
    return 'again';
  }

  #readChunkSize(): 'again' | 'more' {
    const line = this.#line();
    if (line === undefined) return 'more';
    const size = line.split(';', 1)[0]?.trim() ?? '';
    if (!/^[0-9a-f]{1,8}$/i.test(size)) throw new MalformedAnswer(`chunk size "${size.slice(0, 20)}"`);
    this.#left = Number.parseInt(size, 16);
    return this.#next(this.#left === 0 ? 'trailer' : 'chunk-data', true);
  }

  #readChunkEnd(): 'again' | 'more' {
    const line = this.#line();
    if (line === undefined) return 'more';
    if (line !== '') throw new MalformedAnswer('chunk longer than its size');
    return this.#next('chunk-size', true);
  }

  #readTrailer(): 'again' | 'more' | 'done' {
    const line = this.#line();
    if (line === undefined) return 'more';
    return line === '' ? 'done' : 'again';
  }

  #next(part: Part, ready: boolean): 'again' | 'more' {
    if (!ready) return 'more';
    this.#part = part;
    return 'again';
  }

  #line(): string | undefined {
    const end = this.#rest.indexOf('\r\n');
    if (end > MAX_CHUNK_LINE || (end === -1 && this.#rest.length > MAX_CHUNK_LINE)) {
      throw new MalformedAnswer('chunk line too long');
    }
    if (end === -1) return undefined;
    const line = this.#rest.toString('latin1', 0, end);
    this.#rest = this.#rest.subarray(end + 2);
    return line;
  }

  #takeLeft(): void {
    const length = Math.min(this.#left, this.#rest.length);
    this.#left -= length;
    this.#take(length);
  }

  #take(length: number): void {
    if (length === 0) return;
    this.#checkSize(this.#bodyBytes + length);
    this.#body.push(this.#rest.subarray(0, length));
    this.#bodyBytes += length;
    this.#rest = this.#rest.subarray(length);
  }

  #checkSize(bytes: number): void {
    const { bodyBytes } = this.#limits;
    if (bytes > bodyBytes) throw new MalformedAnswer(`answer longer than ${bodyBytes} bytes`);
  }

  #answer(): HttpAnswer {
    const { status = 0, keepAlive = false } = this.#head ?? {};
    const [first, ...others] = this.#body;
    return {
      status,
      body: others.length === 0 ? (first ?? NOTHING) : Buffer.concat(this.#body),
      reusable: keepAlive && this.#part !== 'to-end' && this.#rest.length === 0,
    };
  }
}

/** Says at once that it is not HTTP, rather than at the deadline. */
function refuseForeign(bytes: Buffer): 'more' {
  const start = bytes.toString('latin1', 0, 5);
  if ('HTTP/'.startsWith(start)) return 'more';
  throw new MalformedAnswer(`not an HTTP answer: ${JSON.stringify(bytes.toString('latin1', 0, 40))}`);
}

function parseHead(text: string): Head {
  const [first = '', ...lines] = text.split('\r\n');
  const [, minor, status] = /^HTTP\/1\.([01]) (\d{3})(?: |$)/.exec(first) ?? [];
  if (status === undefined) throw new MalformedAnswer(`status line ${JSON.stringify(first.slice(0, 60))}`);
  const fields = new Map<string, string>();
  for (const line of lines) addField(fields, line);
  const connection = (fields.get('connection') ?? '').toLowerCase();
  const keepAlive = minor === '1' ? !connection.includes('close') : connection.includes('keep-alive');
  return { status: Number(status), keepAlive, fields };
}

function addField(fields: Map<string, string>, line: string): void {
  const colon = line.indexOf(':');
  if (colon < 1) throw new MalformedAnswer(`header line ${JSON.stringify(line.slice(0, 60))}`);
  const name = line.slice(0, colon).toLowerCase();
  const value = line.slice(colon + 1).trim();
  const before = fields.get(name);
  if (before !== undefined && before !== value && name === 'content-length') {
    throw new MalformedAnswer(`content length both "${before}" and "${value}"`);
  }
  fields.set(name, value);
}
