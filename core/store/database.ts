/**
 * The embedded database: SQLite in WAL mode, one writer (the main thread), and durability by a shared fdatasync of the
 * WAL that all waiting writers join, off the event loop. Source of the technique and its proof: docs/adr/0001.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import path from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';
import { initial } from './migrations/001-initial.ts';

const MIGRATIONS = [initial];
/**
 * The WAL is written full of zeros once, so that later syncs find its blocks allocated and have no metadata to write:
 * 0.1 ms instead of 1. A transaction takes some 8 to 20 KiB of it; a checkpoint, after which SQLite begins again at its
 * start, comes in time.
 */
const WAL_BYTES = 8 * 1024 * 1024;
const CHECKPOINT_EVERY = 300;

export class Database {
  readonly #db: DatabaseSync;
  readonly #file: string;
  #wal: FileHandle | undefined;
  #syncing: Promise<void> | undefined;
  #nextSync: Promise<void> | undefined;
  #checkpoint: Promise<void> | undefined;
  #sinceCheckpoint = 0;

  /** Opens or makes `<dir>/gantry.db` and brings it to the newest schema. */
  constructor(dir: string) {
    mkdirSync(dir, { recursive: true, mode: 0o711 });
    this.#file = path.join(dir, 'gantry.db');
    this.#db = new DatabaseSync(this.#file);
    this.#db.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0');
    this.#migrate();
    this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    writeFileSync(`${this.#file}-wal`, Buffer.alloc(WAL_BYTES), { flag: 'r+' });
    syncDirectory(dir);
  }

  prepare(sql: string): StatementSync {
    return this.#db.prepare(sql);
  }

  /** All of `write`, or nothing. On return it is visible to this process, but only `durable()` makes it last. */
  transaction(write: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      write();
      this.#db.exec('COMMIT');
      this.#sinceCheckpoint += 1;
    } catch (error) {
      this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /**
   * Resolves when everything committed before this call survives a power cut. Callers that come while a sync runs share
   * the next one: the running one may have begun before their write.
   */
  durable(): Promise<void> {
    if (!this.#syncing) {
      this.#syncing = this.#sync().finally(() => {
        this.#syncing = undefined;
      });
      return this.#syncing;
    }
    this.#nextSync ??= this.#syncing.then(
      () => this.#startNext(),
      () => this.#startNext(),
    );
    return this.#nextSync;
  }

  async close(): Promise<void> {
    await this.#syncing?.catch(() => {});
    await this.#checkpoint;
    await this.#wal?.close();
    this.#db.close();
  }

  #startNext(): Promise<void> {
    this.#nextSync = undefined;
    return this.durable();
  }

  async #sync(): Promise<void> {
    // The -wal file is safe to open beside SQLite; another descriptor of the database itself would drop its locks.
    this.#wal ??= await open(`${this.#file}-wal`, 'r+');
    await this.#wal.datasync();
    if (this.#sinceCheckpoint > CHECKPOINT_EVERY) this.#checkpoint ??= this.#runCheckpoint();
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

/** A new file's name lasts only once its directory is synced. */
function syncDirectory(dir: string): void {
  const descriptor = openSync(dir, 'r');
  fsyncSync(descriptor);
  closeSync(descriptor);
}
