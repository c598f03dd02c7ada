/** Cuts a stream of bytes into lines, none longer than a bound. */

/** The other side sent a line without an end, or one longer than was agreed. */
export class LineTooLong extends Error {
  override readonly name = 'LineTooLong';
}

const NEWLINE = 0x0a;

export class LineReader {
  readonly #maxBytes: number;
  readonly #parts: Buffer[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The lines that `bytes` complete, without their ends; empty ones are left out. Throws LineTooLong. */
  push(bytes: Buffer): readonly string[] {
    const lines: string[] = [];
    let rest = bytes;
    for (let end = rest.indexOf(NEWLINE); end !== -1; end = rest.indexOf(NEWLINE)) {
      this.#keep(rest.subarray(0, end));
      const line = this.#take();
      if (line.trim() !== '') lines.push(line);
      rest = rest.subarray(end + 1);
    }
    this.#keep(rest);
    return lines;
  }

  #keep(part: Buffer): void {
    this.#bytes += part.length;
    if (this.#bytes > this.#maxBytes) throw new LineTooLong(`a line longer than ${this.#maxBytes} bytes`);
    if (part.length > 0) this.#parts.push(part);
  }

  #take(): string {
    const [first, ...others] = this.#parts.splice(0);
    this.#bytes = 0;
    if (first === undefined) return '';
    return (others.length === 0 ? first : Buffer.concat([first, ...others])).toString('utf8');
  }
}
