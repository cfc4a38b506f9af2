-- The shape every verb answers with. Locks nothing.
-- One row per promise told; the first row carries the verdict (status as in HTTP, message when it is a refusal) and the wake-ups
-- that the caller must send once its transaction has committed: [{"id", "version", "target"}].
CREATE TYPE promises_answer AS (
    status int, message text, wakes jsonb,
    task_id text, task_state text, task_version int, task_resumes int, task_pid text, task_ttl bigint, task_halt_reason text,
    id text, state text, param_headers jsonb, param_data text, value_headers jsonb, value_data text, tags jsonb,
    timeout_at bigint, created_at bigint, settled_at bigint,
    task_ready_at bigint -- of a lease: since when the task had been waiting for it
);

-- A refusal: status and message, and the wake-ups of a deadline that was applied on the way: they must not be lost with it.
CREATE FUNCTION promises_refusal(p_status int, p_message text, p_wakes jsonb DEFAULT NULL)
RETURNS promises_answer LANGUAGE sql IMMUTABLE AS $$
    SELECT ROW(p_status, p_message, p_wakes, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
               NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::promises_answer
$$;

-- Whether a promise is past its deadline and nobody has got round to writing it.
CREATE FUNCTION promises_is_over(p promises_promise, p_now bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT p.state = 'pending' AND p.timeout_at <= p_now
$$;

-- What the deadline makes of a promise.
CREATE FUNCTION promises_state_after(p_tags jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_tags ->> 'resonate:timer' = 'true' THEN 'resolved' ELSE 'rejected_timedout' END
$$;

-- The state of a promise as every observer sees it at p_now.
CREATE FUNCTION promises_state_at(p promises_promise, p_now bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN promises_is_over(p, p_now) THEN promises_state_after(p.tags) ELSE p.state END
$$;

-- A promise, and its task, as every observer sees them at p_now.
CREATE FUNCTION promises_answer_of(p promises_promise, t promises_task, p_status int, p_wakes jsonb, p_now bigint)
RETURNS promises_answer LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN ROW(p_status, NULL, p_wakes,
        t.id, CASE WHEN t.id IS NULL THEN NULL WHEN promises_is_over(p, p_now) THEN 'fulfilled' ELSE t.state END,
        t.version, t.resumes, t.pid, t.ttl, t.halt_reason,
        p.id, promises_state_at(p, p_now), p.param_headers, p.param_data, p.value_headers, p.value_data, p.tags, p.timeout_at,
        p.created_at, CASE WHEN promises_is_over(p, p_now) THEN p.timeout_at ELSE p.settled_at END,
        t.ready_at)::promises_answer;
END
$$;
