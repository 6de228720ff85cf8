-- Each row has a checksum of its columns (row_sum, of store_sqlite_write.c), so that what is damaged in any of them is
-- noticed: the views say whether a row is sound. Triggers keep it: a new row and a changed one get theirs, and a row that is
-- not sound is not changed, which would hide the damage.
ALTER TABLE blob ADD COLUMN mark INTEGER NOT NULL DEFAULT 0;
-- A part whose own key is damaged is missed by its job.
ALTER TABLE job ADD COLUMN parts INTEGER NOT NULL DEFAULT 0;
UPDATE job SET parts = (SELECT count(*) FROM part WHERE part.job = job.id);
ALTER TABLE job ADD COLUMN mark INTEGER NOT NULL DEFAULT 0;
ALTER TABLE part ADD COLUMN mark INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pipeline ADD COLUMN mark INTEGER NOT NULL DEFAULT 0;
ALTER TABLE image ADD COLUMN mark INTEGER NOT NULL DEFAULT 0;

-- The bytes themselves are under blob.sum.
CREATE VIEW sound_blob AS SELECT *, mark = row_sum(id, size, sum, file) AS sound FROM blob;
CREATE VIEW sound_job AS SELECT *, mark = row_sum(seq, id, type, state, created, started, finished, done, total, starts,
    spec, error, result, checkpoint, media, file_name, parts) AS sound FROM job;
CREATE VIEW sound_part AS SELECT *, mark = row_sum(job, nr, name, blob) AS sound FROM part;
CREATE VIEW sound_pipeline AS SELECT *, mark = row_sum(name, changed, spec, weights) AS sound FROM pipeline;
CREATE VIEW sound_image AS SELECT *, mark = row_sum(id, used, blob) AS sound FROM image;

UPDATE blob SET mark = row_sum(id, size, sum, file);
UPDATE job SET mark = row_sum(seq, id, type, state, created, started, finished, done, total, starts,
    spec, error, result, checkpoint, media, file_name, parts);
UPDATE part SET mark = row_sum(job, nr, name, blob);
UPDATE pipeline SET mark = row_sum(name, changed, spec, weights);
UPDATE image SET mark = row_sum(id, used, blob);

CREATE TRIGGER new_blob AFTER INSERT ON blob BEGIN
    UPDATE blob SET mark = row_sum(id, size, sum, file) WHERE id = NEW.id;
END;
CREATE TRIGGER new_part AFTER INSERT ON part BEGIN
    UPDATE part SET mark = row_sum(job, nr, name, blob) WHERE job = NEW.job AND nr = NEW.nr;
END;

CREATE TRIGGER new_job AFTER INSERT ON job BEGIN
    UPDATE job SET mark = row_sum(seq, id, type, state, created, started, finished, done, total, starts,
        spec, error, result, checkpoint, media, file_name, parts) WHERE seq = NEW.seq;
END;
CREATE TRIGGER change_job BEFORE UPDATE OF state, started, finished, done, total, starts, error, result, checkpoint, media,
    file_name ON job WHEN OLD.mark <> row_sum(OLD.seq, OLD.id, OLD.type, OLD.state, OLD.created, OLD.started, OLD.finished,
    OLD.done, OLD.total, OLD.starts, OLD.spec, OLD.error, OLD.result, OLD.checkpoint, OLD.media, OLD.file_name, OLD.parts) BEGIN
    SELECT RAISE(ABORT, 'the row is damaged');
END;
CREATE TRIGGER changed_job AFTER UPDATE OF state, started, finished, done, total, starts, error, result, checkpoint, media,
    file_name ON job BEGIN
    UPDATE job SET mark = row_sum(seq, id, type, state, created, started, finished, done, total, starts,
        spec, error, result, checkpoint, media, file_name, parts) WHERE seq = NEW.seq;
END;

-- A pipeline that is put anew, and a picture, replace what was there, damaged or not.
CREATE TRIGGER new_pipeline AFTER INSERT ON pipeline BEGIN
    UPDATE pipeline SET mark = row_sum(name, changed, spec, weights) WHERE name = NEW.name;
END;
CREATE TRIGGER new_image AFTER INSERT ON image BEGIN
    UPDATE image SET mark = row_sum(id, used, blob) WHERE id = NEW.id;
END;
CREATE TRIGGER change_image BEFORE UPDATE OF used ON image WHEN OLD.mark <> row_sum(OLD.id, OLD.used, OLD.blob) BEGIN
    SELECT RAISE(ABORT, 'the row is damaged');
END;
CREATE TRIGGER changed_image AFTER UPDATE OF used ON image BEGIN
    UPDATE image SET mark = row_sum(id, used, blob) WHERE id = NEW.id;
END;
