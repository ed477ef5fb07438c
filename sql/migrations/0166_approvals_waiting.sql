-- How many of a user's requests wait for an approval.
CREATE INDEX approval_pending ON approval (owner_id) WHERE status = 'pending';
