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
    has_task boolean;
    awaiters text[];
    addresses text[];
    v_awaiter text;
    v_address text;
    t promises_task;
    wakes jsonb;
BEGIN
    UPDATE promises_promise SET state = p_state, value_headers = p_headers, value_data = p_data, settled_at = p_settled_at
     WHERE id = p_id RETURNING tags ? 'resonate:target' INTO has_task;
    IF has_task THEN
        UPDATE promises_task SET state = 'fulfilled', pid = NULL, ttl = NULL, due_at = NULL, rank = NULL, resumes = 0, halt_reason = ''
         WHERE id = p_id AND state <> 'fulfilled';
        DELETE FROM promises_callback WHERE awaiter = p_id;
    END IF;
    WITH c AS (DELETE FROM promises_callback WHERE awaited = p_id RETURNING awaiter),
         l AS (DELETE FROM promises_listener WHERE awaited = p_id RETURNING address)
    SELECT (SELECT array_agg(awaiter ORDER BY awaiter) FROM c), (SELECT array_agg(address) FROM l) INTO awaiters, addresses;

    -- An awaiter past its own deadline is not woken: its timeout wins. One that is not suspended learns of it by `resumes`.
    FOREACH v_awaiter IN ARRAY coalesce(awaiters, '{}') LOOP
        UPDATE promises_task w SET
               state = CASE WHEN w.state = 'suspended' THEN 'pending' ELSE w.state END,
               resumes = CASE WHEN w.state = 'suspended' THEN 1 ELSE w.resumes + 1 END,
               due_at = CASE WHEN w.state = 'suspended' THEN p_now + p_retry ELSE w.due_at END,
               dispatches = CASE WHEN w.state = 'suspended' THEN 1 ELSE w.dispatches END,
               rank = CASE WHEN w.state = 'suspended' THEN promises_rank(w.priority, p_settled_at) ELSE w.rank END
          FROM promises_promise a
         WHERE w.id = v_awaiter AND w.state <> 'fulfilled' AND a.id = w.id AND a.state = 'pending' AND a.timeout_at > p_now
        RETURNING w.* INTO t;
        IF FOUND AND t.state = 'pending' AND t.resumes = 1 THEN
            wakes := coalesce(wakes, '[]') || promises_wake(t.id, t.version, t.target);
        END IF;
    END LOOP;

    FOREACH v_address IN ARRAY coalesce(addresses, '{}') LOOP
        IF v_address = 'notify:settled' THEN
            PERFORM pg_notify('countersign_settled', p_id);
        ELSE
            INSERT INTO promises_outgoingmessage (promise_id, address, created_at, due_at, attempts, last_error)
            VALUES (p_id, v_address, p_now, p_now, 0, '') ON CONFLICT DO NOTHING;
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
    RETURN promises_settle_locked(p_id, promises_state_after(p.tags), NULL, NULL, p.timeout_at, p_now, p_retry);
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
    IF promises_is_over(p, p_now) THEN
        wakes := promises_expire(p_id, p_now, p_retry);
    ELSIF p.state = 'pending' THEN
        wakes := promises_settle_locked(p_id, p_state, p_headers, p_data, p_now, p_now, p_retry);
        p.state := p_state; p.value_headers := p_headers; p.value_data := p_data; p.settled_at := p_now;
    END IF;
    RETURN NEXT promises_answer_of(p, NULL, 200, wakes, p_now);
END
$$;
