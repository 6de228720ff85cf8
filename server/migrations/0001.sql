-- Everything that is bytes stands in blob, with its XXH3 checksum: small ones in the row, large ones in a file.
CREATE TABLE blob (
    id   INTEGER PRIMARY KEY,
    size INTEGER NOT NULL,
    sum  BLOB NOT NULL,
    data BLOB,
    file TEXT UNIQUE
) STRICT;

CREATE TABLE job (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    type       TEXT NOT NULL,
    state      INTEGER NOT NULL,
    created    INTEGER NOT NULL,
    started    INTEGER NOT NULL DEFAULT 0,
    finished   INTEGER NOT NULL DEFAULT 0,
    done       INTEGER NOT NULL DEFAULT 0,
    total      INTEGER NOT NULL DEFAULT 0,
    starts     INTEGER NOT NULL DEFAULT 0,
    spec       INTEGER NOT NULL REFERENCES blob,
    error      INTEGER REFERENCES blob,
    result     INTEGER REFERENCES blob,
    checkpoint INTEGER REFERENCES blob,
    media      TEXT NOT NULL DEFAULT '',
    file_name  TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX job_by_state ON job (state, seq);
CREATE INDEX job_by_type ON job (type, state);

CREATE TABLE part (
    job  TEXT NOT NULL,
    nr   INTEGER NOT NULL,
    name TEXT NOT NULL,
    blob INTEGER NOT NULL REFERENCES blob,
    PRIMARY KEY (job, nr)
) STRICT, WITHOUT ROWID;

CREATE TABLE pipeline (
    name    TEXT PRIMARY KEY,
    changed INTEGER NOT NULL,
    spec    INTEGER NOT NULL REFERENCES blob,
    weights INTEGER REFERENCES blob
) STRICT, WITHOUT ROWID;

CREATE TABLE image (
    id   TEXT PRIMARY KEY,
    used INTEGER NOT NULL,
    info TEXT NOT NULL,
    blob INTEGER NOT NULL REFERENCES blob
) STRICT, WITHOUT ROWID;
CREATE INDEX image_by_use ON image (used);
