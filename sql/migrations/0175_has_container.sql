-- Whether somebody has ever had a container: for whom has not, GET /api/user looks for none.
ALTER TABLE app_user ADD COLUMN has_container boolean NOT NULL DEFAULT false;
UPDATE app_user u SET has_container = true FROM container c WHERE c.owner_id = u.id;
CREATE TRIGGER container_added AFTER INSERT ON container FOR EACH ROW EXECUTE FUNCTION container_added();
