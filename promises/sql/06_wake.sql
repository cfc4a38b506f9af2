-- Telling workers that a task is ready.

-- The place of a ready task in its queue: the time since which it is ready, a minute earlier for each step of priority. The smallest
-- is executed first, so a task of low priority waits longer, but never for ever. Locks nothing.
CREATE FUNCTION promises_rank(p_priority int, p_now bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT p_now - p_priority * 60000::bigint
$$;

-- The time since which the task of that rank is ready. Locks nothing.
CREATE FUNCTION promises_ready_at(p_priority int, p_rank bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT p_rank + p_priority * 60000::bigint
$$;

-- The wake-up of a task that has just become ready: whoever listens on the channel learns its target when this commits; what is
-- answered is for the broker. Locks nothing.
CREATE FUNCTION promises_wake(p_id text, p_version int, p_target text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('countersign_ready', p_target);
    RETURN jsonb_build_object('id', p_id, 'version', p_version, 'target', p_target);
END
$$;
