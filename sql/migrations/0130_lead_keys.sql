-- What is the same address is the same mailbox, and what is the same number has the same digits at
-- its end: one index finds both.
DROP INDEX lead_key_e164;
DROP INDEX lead_key_email;
DROP INDEX lead_key_phone;
DROP INDEX lead_key_mailbox;
CREATE INDEX lead_key_phone ON lead_key (owner_id, phone_key, e164) WHERE phone_key IS NOT NULL;
CREATE INDEX lead_key_mailbox ON lead_key (owner_id, mailbox_key, email_key) WHERE mailbox_key IS NOT NULL;

-- It goes with its lead, and that with its owner.
ALTER TABLE lead_key DROP CONSTRAINT lead_key_owner_id_fkey;

-- It is told the keys.
DROP FUNCTION IF EXISTS match_rate(task_row, lead_key, real);
