-- millracectl no longer counts administrators: the trigger admin_kept keeps the last one.
DROP FUNCTION IF EXISTS admins_beside(uuid);
