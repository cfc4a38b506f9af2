-- Settling, and everything that follows from it in the same commit.
--
-- Lock order of the whole store: promises before tasks; promises in id order; tasks in id order.

-- Settle one pending promise that the caller has locked FOR UPDATE; answers the wake-ups.
-- Locks its task, then the tasks of its awaiters in id order. An awaiter registers under a share lock on the awaited promise
-- (see task_suspend), so after the caller's lock no callback can appear unseen.
CREATE FUNCTION promises_settle_locked(
    p_id text, p_state text, p_headers jsonb, p_data text, p_settled_at bigint, p_now bigint, p_retry bigint
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    r record;
    wakes jsonb;
BEGIN
    UPDATE promises_promise SET state = p_state, value_headers = p_headers, value_data = p_data, settled_at = p_settled_at
     WHERE id = p_id;

    UPDATE promises_task SET state = 'fulfilled', pid = NULL, ttl = NULL, due_at = NULL, rank = NULL, resumes = 0, halt_reason = ''
     WHERE id = p_id AND state <> 'fulfilled';
    IF FOUND THEN
        DELETE FROM promises_callback WHERE awaiter = p_id;
    END IF;

    -- An awaiter past its own deadline is not woken: its timeout wins.
    FOR r IN
        SELECT t.id, t.state, t.version, t.target, t.priority
          FROM promises_callback c
          JOIN promises_task t ON t.id = c.awaiter
          JOIN promises_promise a ON a.id = c.awaiter
         WHERE c.awaited = p_id AND a.state = 'pending' AND a.timeout_at > p_now
         ORDER BY t.id FOR UPDATE OF t
    LOOP
        IF r.state = 'suspended' THEN
            UPDATE promises_task SET state = 'pending', resumes = 1, due_at = p_now + p_retry, dispatches = 1,
                                     rank = promises_rank(r.priority, p_now)
             WHERE id = r.id;
            wakes := coalesce(wakes, '[]') || promises_wake(r.id, r.version, r.target);
        ELSIF r.state <> 'fulfilled' THEN
            UPDATE promises_task SET resumes = resumes + 1 WHERE id = r.id;
        END IF;
    END LOOP;
    DELETE FROM promises_callback WHERE awaited = p_id;

    FOR r IN DELETE FROM promises_listener WHERE awaited = p_id RETURNING address LOOP
        IF r.address = 'notify:settled' THEN
            PERFORM pg_notify('countersign_settled', p_id);
        ELSE
            INSERT INTO promises_outgoingmessage (promise_id, address, created_at, due_at, attempts, last_error)
            VALUES (p_id, r.address, p_now, p_now, 0, '') ON CONFLICT DO NOTHING;
        END IF;
    END LOOP;
    RETURN wakes;
END
$$;

-- Apply the deadline of one promise, if it has passed. Locks the promise FOR UPDATE only then.
CREATE FUNCTION promises_expire(p_id text, p_now bigint, p_retry bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE p promises_promise;
BEGIN
    SELECT * INTO p FROM promises_promise WHERE id = p_id AND state = 'pending' AND timeout_at <= p_now FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    RETURN promises_settle_locked(
        p_id, CASE WHEN p.tags ->> 'resonate:timer' = 'true' THEN 'resolved' ELSE 'rejected_timedout' END,
        NULL, NULL, p.timeout_at, p_now, p_retry);
END
$$;

-- promise.settle: the first answer wins, a later one is told what it was. Locks the promise FOR UPDATE, then as above.
CREATE FUNCTION promises_promise_settle(
    p_id text, p_state text, p_headers jsonb, p_data text, p_now bigint, p_retry bigint
) RETURNS SETOF promises_answer LANGUAGE plpgsql AS $$
DECLARE
    p promises_promise;
    wakes jsonb;
BEGIN
    SELECT * INTO p FROM promises_promise WHERE id = p_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NEXT promises_refusal(404, 'Promise not found');
        RETURN;
    END IF;
    IF p.state = 'pending' AND p.timeout_at <= p_now THEN
        wakes := promises_expire(p_id, p_now, p_retry);
    ELSIF p.state = 'pending' THEN
        wakes := promises_settle_locked(p_id, p_state, p_headers, p_data, p_now, p_now, p_retry);
    END IF;
    SELECT * INTO p FROM promises_promise WHERE id = p_id;
    RETURN NEXT promises_answer_of(p, NULL, 200, wakes, p_now);
END
$$;
