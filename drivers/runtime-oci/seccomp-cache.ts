/**
 * Compiled system call filters. libseccomp takes 12 ms for the default profile, of each container's start; a filter
 * depends on nothing but its section and the machine, so it is kept under the section's digest.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { canCompile, compileSeccomp, type SeccompSection } from '@gantry/plugin-sdk/system/seccomp.ts';

export class SeccompCache {
  readonly #dir: string;
  readonly #programs = new Map<string, string>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** The program in base64, or undefined for a section that only the runtime itself can load. */
  get(section: SeccompSection): string | undefined {
    if (!canCompile(section)) return undefined;
    const digest = createHash('sha256').update(process.arch).update(JSON.stringify(section)).digest('hex');
    try {
      const program = this.#programs.get(digest) ?? this.#read(digest) ?? this.#compile(digest, section);
      this.#programs.set(digest, program);
      return program;
    } catch (error) {
      // What cannot be compiled the runtime refuses in its own words.
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  }

  #read(digest: string): string | undefined {
    try {
      return readFileSync(join(this.#dir, digest), 'utf8');
    } catch {
      return undefined;
    }
  }

  #compile(digest: string, section: SeccompSection): string {
    const program = compileSeccomp(section).toString('base64');
    mkdirSync(this.#dir, { recursive: true });
    const path = join(this.#dir, digest);
    // An empty filter, as a power cut leaves one, would keep every container from starting.
    writeFileSync(`${path}.new`, program, { flush: true });
    renameSync(`${path}.new`, path);
    return program;
  }
}
