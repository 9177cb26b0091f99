-- Figures are kept by target (a model on a platform) and by size of request; a cost nobody
-- was billed for yet says that it is a guess.

ALTER TABLE ledger ADD COLUMN target TEXT NOT NULL DEFAULT '';

ALTER TABLE ledger ADD COLUMN size INTEGER NOT NULL DEFAULT 1;

ALTER TABLE ledger ADD COLUMN cost_is_estimate BOOLEAN NOT NULL DEFAULT FALSE;

ALTER TABLE ledger ADD COLUMN long_cache_write_tokens BIGINT NOT NULL DEFAULT 0;

UPDATE ledger SET target = platform || '/' || model;
