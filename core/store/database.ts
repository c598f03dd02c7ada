/**
 * The embedded database: SQLite in WAL mode, one writer (the main thread), and durability by a shared fdatasync of the
 * WAL that all waiting writers join. Source of the technique and its proof: docs/adr/0001.
 */
import {
  closeSync,
  fdatasync as fdatasyncCallback,
  fdatasyncSync,
  mkdirSync,
  openSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { syncDirectory } from '@gantry/plugin-sdk/system/sync.ts';
import { initial } from './migrations/001-initial.ts';

const MIGRATIONS = [initial];
/**
 * The WAL is written full of zeros once, so that later syncs find its blocks allocated and have no metadata to write:
 * 0.1 ms instead of 1. A transaction takes some 8 to 20 KiB of it; a checkpoint, after which SQLite begins again at its
 * start, comes in time.
 */
const WAL_BYTES = 24 * 1024 * 1024;
const CHECKPOINT_EVERY = 1500;

/**
 * A fast disk syncs in 0.05 ms, less than the way to libuv's pool and back costs, so the loop does it itself. Once it
 * takes longer than this, the pool does the next ones.
 */
const SLOW_SYNC_MS = 0.5;
const SYNCS_OFF_LOOP = 500;

const fdatasync = promisify(fdatasyncCallback);

export class Database {
  readonly #db: DatabaseSync;
  readonly #file: string;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #unsafe: boolean;
  readonly #wal: number;
  /** How many of the next syncs are left to libuv's pool. */
  #offLoop = 0;
  #syncing: Promise<void> | undefined;
  #nextSync: Promise<void> | undefined;
  #checkpoint: Promise<void> | undefined;
  #sinceCheckpoint = 0;
  #failed: HostError | undefined;

  /** Opens or makes `<dir>/gantry.db` and brings it to the newest schema. `unsafe`: nothing lasts, for a test. */
  constructor(dir: string, { unsafe = false }: { unsafe?: boolean } = {}) {
    this.#unsafe = unsafe;
    mkdirSync(dir, { recursive: true, mode: 0o711 });
    this.#file = path.join(dir, 'gantry.db');
    this.#db = new DatabaseSync(this.#file);
    this.#db.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0');
    this.#begin = this.#db.prepare('BEGIN IMMEDIATE');
    this.#commit = this.#db.prepare('COMMIT');
    this.#migrate();
    this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    fillWithZeros(`${this.#file}-wal`, WAL_BYTES);
    // The -wal file is safe to open beside SQLite; another descriptor of the database itself would drop its locks.
    this.#wal = openSync(`${this.#file}-wal`, 'r+');
    this.#syncing = this.#firstSync(dir).catch((error: unknown) => {
      throw this.#giveUp(error);
    });
    this.#syncing.catch(() => {}); // whoever writes first is told
  }

  prepare(sql: string): StatementSync {
    return this.#db.prepare(sql);
  }

  /** All of `write`, or nothing. On return it is visible to this process, but only `durable()` makes it last. */
  transaction(write: () => void): void {
    if (this.#failed) throw this.#failed;
    this.#begin.run();
    try {
      write();
      this.#commit.run();
      this.#sinceCheckpoint += 1;
    } catch (error) {
      // A disk that fails has SQLite roll back by itself.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /**
   * Resolves when everything committed before this call survives a power cut. All that commit in one turn of the event
   * loop, or while a sync runs, share one.
   */
  durable(): Promise<void> {
    if (this.#unsafe) return Promise.resolve();
    this.#nextSync ??= this.#turn().then(() => {
      this.#nextSync = undefined;
      this.#syncing = this.#sync().catch((error: unknown) => {
        throw this.#giveUp(error);
      });
      return this.#syncing;
    });
    return this.#nextSync;
  }

  async close(): Promise<void> {
    await this.#nextSync?.catch(() => {});
    await this.#checkpoint;
    await this.#syncing?.catch(() => {});
    closeSync(this.#wal);
    this.#db.close();
  }

  /** What the kernel could not write it may have dropped: no later sync brings it back, so nothing more is written. */
  #giveUp(cause: unknown): HostError {
    this.#failed ??= new HostError('Unavailable', 'STORE_FAILED', `write ${this.#file}`, {
      cause,
      hint: 'look after the disk, then restart gantryd',
    });
    return this.#failed;
  }

  /** A sync under way may have begun before the caller's write, so that one has to end first. */
  async #turn(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    setImmediate(resolve);
    await Promise.all([promise, this.#syncing?.catch(() => {})]);
  }

  /** The zeros, and the name of the new file, lie far beyond what may hold up the loop. */
  async #firstSync(dir: string): Promise<void> {
    await fdatasync(this.#wal);
    await syncDirectory(dir);
  }

  async #sync(): Promise<void> {
    if (this.#sinceCheckpoint > CHECKPOINT_EVERY) this.#checkpoint ??= this.#runCheckpoint();
    if (this.#offLoop > 0) {
      this.#offLoop -= 1;
      return fdatasync(this.#wal);
    }
    const begun = performance.now();
    fdatasyncSync(this.#wal);
    if (performance.now() - begun > SLOW_SYNC_MS) this.#offLoop = SYNCS_OFF_LOOP;
  }

  /** In a worker with its own connection: a checkpoint on the main thread would stall the loop for up to 80 ms. */
  #runCheckpoint(): Promise<void> {
    this.#sinceCheckpoint = 0;
    const script = `
      const { DatabaseSync } = require('node:sqlite');
      const db = new DatabaseSync(require('node:worker_threads').workerData);
      db.exec('PRAGMA busy_timeout=1000; PRAGMA wal_checkpoint(PASSIVE)');
      db.close();`;
    const worker = new Worker(script, { eval: true, workerData: this.#file });
    const { promise, resolve } = Promise.withResolvers<void>();
    worker.once('error', () => resolve());
    worker.once('exit', () => resolve());
    return promise.then(() => {
      this.#checkpoint = undefined;
      // The few frames that came meanwhile: only a WAL written back to its last frame is begun anew.
      this.#db.exec('PRAGMA wal_checkpoint(PASSIVE)');
    });
  }

  #migrate(): void {
    const row = this.#db.prepare('PRAGMA user_version').get() as { user_version: number };
    if (row.user_version > MIGRATIONS.length) {
      throw new Error(
        `open ${this.#file}: written by a newer Gantry (schema ${row.user_version}, this one knows ${MIGRATIONS.length})`,
      );
    }
    for (const [index, sql] of MIGRATIONS.entries()) {
      if (index < row.user_version) continue;
      this.transaction(() => {
        this.#db.exec(sql);
        this.#db.exec(`PRAGMA user_version=${index + 1}`);
      });
    }
  }
}

function fillWithZeros(file: string, bytes: number): void {
  const descriptor = openSync(file, 'r+');
  const zeros = Buffer.alloc(1024 * 1024);
  for (let at = 0; at < bytes; at += zeros.length) writeSync(descriptor, zeros, 0, zeros.length, at);
  closeSync(descriptor);
}
