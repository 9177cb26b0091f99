-- People of the directory are sealed; what they are sought by is a keyed hash of it. Of rows from
-- before, and until they are sealed anew, it is the text itself.

ALTER TABLE directory_user ADD COLUMN external_key TEXT;

UPDATE directory_user SET external_key = external_id;

DROP INDEX directory_user_by_external_id;

CREATE INDEX directory_user_by_external_key ON directory_user (tenant, external_key);

-- Who first agreed to a call of which nobody is known to have asked for it: it takes two.

ALTER TABLE tool_approval ADD COLUMN first_by TEXT;
