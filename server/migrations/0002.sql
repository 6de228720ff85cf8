-- What a picture is, its own header says: nothing of it is repeated here. None was kept under 0001.
DROP TABLE image;
CREATE TABLE image (
    id   TEXT PRIMARY KEY,
    used INTEGER NOT NULL,
    blob INTEGER NOT NULL REFERENCES blob
) STRICT, WITHOUT ROWID;
CREATE INDEX image_by_use ON image (used);
