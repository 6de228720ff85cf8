-- A job that works on kept pictures names their bytes and has no copy of them: bytes go when nobody names them any more.
CREATE INDEX part_by_blob ON part (blob);
CREATE INDEX image_by_blob ON image (blob);
