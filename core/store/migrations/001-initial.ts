/** Records by kind and id, the operations under way, and the effects that exist or are about to. */
export const initial = `
  CREATE TABLE records (
    kind TEXT NOT NULL,
    id   TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, id)
  ) WITHOUT ROWID;

  CREATE TABLE operations (
    id     INTEGER PRIMARY KEY,
    name   TEXT NOT NULL,
    object TEXT NOT NULL,
    body   TEXT NOT NULL
  );

  CREATE TABLE effects (
    key       TEXT PRIMARY KEY,
    owner     TEXT NOT NULL,
    operation INTEGER,
    boot      TEXT,
    body      TEXT NOT NULL
  ) WITHOUT ROWID;
`;
