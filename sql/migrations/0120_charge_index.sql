-- What has ended, and what ends by itself, alone: an index that holds all charges of a user, or all
-- that are reserved, is as good as the one of the key while the table is empty, and plans are kept.
DROP INDEX charge_ended;
CREATE INDEX charge_ended ON charge (owner_id, ended_at) WHERE ended_at IS NOT NULL;
DROP INDEX charge_expiry;
CREATE INDEX charge_expiry ON charge (expires_at) WHERE state = 'reserved' AND expires_at IS NOT NULL;
