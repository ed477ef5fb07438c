-- Publishing is planned once in a session, not anew for each call: with the arrays' lengths before it, the planner takes planning to
-- be worth its while each time, which was a third to a half of what an event cost. The plans look rows up by their keys, so that
-- they are as good for one event as for thousands, and whatever the tables hold by then.
ALTER FUNCTION publish_locked(text[], text[], text[]) SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION job_publish(text, uuid[], int[], bigint[], int[], text[], text[], text[]) SET plan_cache_mode = force_generic_plan;

-- One event alone goes the short way.
CREATE OR REPLACE FUNCTION publish_many(topics text[], types text[], data text[]) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
	IF cardinality(topics) = 1 THEN
		PERFORM publish(topics[1], types[1], data[1]::json);
		RETURN 1;
	END IF;
	INSERT INTO topic (name) SELECT DISTINCT u FROM unnest(topics) u ORDER BY u ON CONFLICT DO NOTHING;
	PERFORM FROM topic WHERE name = ANY (topics) ORDER BY name FOR UPDATE;
	RETURN publish_locked(topics, types, data);
END $$;
