-- Whom to tell when a promise settles.

-- Why p_awaiter may not wait for p; NULL when it may.
CREATE FUNCTION promises_not_awaitable(p promises_promise) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p.tags ->> 'resonate:scope' = 'local' THEN 'Awaited promise is not awaitable' END
$$;

-- promise.register_callback. Locks the awaited promise FOR SHARE, then the awaiter's task.
CREATE FUNCTION promises_callback_register(p_awaited text, p_awaiter text, p_same_origin boolean, p_now bigint, p_retry bigint)
RETURNS SETOF promises_answer LANGUAGE plpgsql AS $$
DECLARE
    p promises_promise;
    a promises_promise;
    t promises_task;
    wakes jsonb;
BEGIN
    wakes := promises_expire(p_awaited, p_now, p_retry);
    SELECT * INTO p FROM promises_promise WHERE id = p_awaited FOR SHARE;
    SELECT * INTO a FROM promises_promise WHERE id = p_awaiter;
    IF p_same_origin AND p.id IS NOT NULL AND a.id IS NOT NULL
       AND promises_origin(p.id, p.tags) <> promises_origin(a.id, a.tags) THEN
        RETURN NEXT promises_refusal(400, 'Awaited and awaiter must have the same origin', wakes);
    ELSIF p.id IS NULL THEN
        RETURN NEXT promises_refusal(404, 'Promise not found', wakes);
    ELSIF a.id IS NULL THEN
        RETURN NEXT promises_refusal(422, 'Awaiter not found', wakes);
    ELSIF NOT a.tags ? 'resonate:target' THEN
        RETURN NEXT promises_refusal(422, 'Awaiter has no target', wakes);
    ELSIF promises_not_awaitable(p) IS NOT NULL THEN
        RETURN NEXT promises_refusal(422, promises_not_awaitable(p), wakes);
    ELSE
        IF p.state = 'pending' AND a.state = 'pending' AND a.timeout_at > p_now THEN
            INSERT INTO promises_callback (awaited, awaiter) VALUES (p_awaited, p_awaiter) ON CONFLICT DO NOTHING;
        ELSIF p.state <> 'pending' AND a.state = 'pending' AND a.timeout_at > p_now THEN
            UPDATE promises_task SET state = 'pending', resumes = 1, due_at = p_now + p_retry, dispatches = 1,
                                     rank = promises_rank(priority, p_now)
             WHERE id = p_awaiter AND state = 'suspended' RETURNING * INTO t;
            IF FOUND THEN
                wakes := coalesce(wakes, '[]') || promises_wake(t.id, t.version, t.target);
            END IF;
        END IF;
        RETURN NEXT promises_answer_of(p, NULL, 200, wakes, p_now);
    END IF;
END
$$;

-- promise.register_listener. Locks the awaited promise FOR SHARE.
CREATE FUNCTION promises_listener_register(p_awaited text, p_address text, p_now bigint, p_retry bigint)
RETURNS SETOF promises_answer LANGUAGE plpgsql AS $$
DECLARE
    p promises_promise;
    wakes jsonb;
BEGIN
    wakes := promises_expire(p_awaited, p_now, p_retry);
    SELECT * INTO p FROM promises_promise WHERE id = p_awaited FOR SHARE;
    IF NOT FOUND THEN
        RETURN NEXT promises_refusal(404, 'Promise not found', wakes);
    ELSIF promises_not_awaitable(p) IS NOT NULL THEN
        RETURN NEXT promises_refusal(422, promises_not_awaitable(p), wakes);
    ELSE
        IF p.state = 'pending' THEN
            INSERT INTO promises_listener (awaited, address) VALUES (p_awaited, p_address) ON CONFLICT DO NOTHING;
        END IF;
        RETURN NEXT promises_answer_of(p, NULL, 200, wakes, p_now);
    END IF;
END
$$;
