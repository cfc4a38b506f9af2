-- What schedules do.

-- Fire the occurrence of a schedule at p_run_at: its promise is created, unless it exists, and p_next_run_at is due next; `fired` is
-- false when somebody has fired it already, or the schedule is paused or gone. Locks the schedule, then what it inserts.
CREATE FUNCTION promises_schedule_fire(
    p_id text, p_run_at bigint, p_next_run_at bigint, p_row jsonb, p_now bigint, p_retry bigint,
    OUT status int, OUT message text, OUT wakes jsonb, OUT fired boolean
) LANGUAGE plpgsql AS $$
BEGIN
    status := 200;
    UPDATE promises_schedule SET last_run_at = p_run_at, next_run_at = p_next_run_at
     WHERE id = p_id AND next_run_at = p_run_at AND paused_at IS NULL;
    fired := FOUND;
    IF fired THEN
        SELECT i.wakes INTO wakes FROM promises_insert(jsonb_build_array(p_row), p_now, p_retry) i;
    END IF;
END
$$;
