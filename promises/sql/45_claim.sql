-- A worker's question: what shall I execute next? Limits, rates and priorities are decided here and nowhere else.

-- The limit of one key as it is now, locked FOR UPDATE, its bucket refilled; no row when the key has none. Claims of limited keys
-- happen one after the other, so that no two of them take the same place.
CREATE FUNCTION promises_limit_lock(p_key text, p_now bigint) RETURNS SETOF promises_limit LANGUAGE plpgsql AS $$
DECLARE
    l promises_limit;
BEGIN
    SELECT * INTO l FROM promises_limit WHERE key = p_key FOR UPDATE;
    IF FOUND THEN
        l.tokens := least(l.rate, l.tokens + greatest(p_now - l.refilled_at, 0) * l.rate::float8 / l.period_ms);
        l.refilled_at := greatest(p_now, l.refilled_at);
        RETURN NEXT l;
    END IF;
END
$$;

-- Whether a limit keeps a task from being executed now: NULL when not; else the time from which its rate allows one more, or 0 when
-- somebody has to finish first (who does, asks again). A continued execution has paid for its start. Locks nothing.
CREATE FUNCTION promises_limit_blocks(l promises_limit, p_held bigint, p_is_started boolean, p_now bigint)
RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN l.concurrency <= p_held THEN 0
                WHEN NOT p_is_started AND l.tokens < 1 THEN p_now + ceil((1 - l.tokens) * l.period_ms / l.rate)::bigint END
$$;

-- The ready task that is first in line of one target, locked, whatever it is; NULL when there is none. Skips tasks that others lock.
CREATE FUNCTION promises_first_in_line(p_target text, p_now bigint) RETURNS text LANGUAGE sql AS $$
    SELECT t.id FROM promises_task t JOIN promises_promise p ON p.id = t.id
     WHERE t.target = p_target AND t.rank IS NOT NULL AND p.timeout_at > p_now
     ORDER BY t.rank LIMIT 1 FOR UPDATE OF t SKIP LOCKED
$$;

-- The same under limits: the id of the task, its start paid for; or the time from which a rate will allow one (NULL: when something
-- happens). What a limit holds back is passed over, however much of it there is: each workflow's line is looked at by itself (a skip
-- scan of the index). Locks the limits of the queue and of each workflow looked at, then the task; skips tasks that others lock.
CREATE FUNCTION promises_first_within_limits(p_target text, p_now bigint, OUT id text, OUT look_at bigint) LANGUAGE plpgsql AS $$
DECLARE
    line record;
    q promises_limit;
    w promises_limit;
    held bigint;
    blocked bigint;
BEGIN
    SELECT * INTO q FROM promises_limit_lock('queue:' || split_part(p_target, '://', 2), p_now);
    FOR line IN
        WITH RECURSIVE lines AS (
            (SELECT t.func, t.is_started FROM promises_task t
              WHERE t.target = p_target AND t.rank IS NOT NULL ORDER BY t.func, t.is_started LIMIT 1)
            UNION ALL
            SELECT n.func, n.is_started FROM lines l CROSS JOIN LATERAL (
                SELECT t.func, t.is_started FROM promises_task t
                 WHERE t.target = p_target AND t.rank IS NOT NULL AND (t.func, t.is_started) > (l.func, l.is_started)
                 ORDER BY t.func, t.is_started LIMIT 1) n
        )
        SELECT l.func, l.is_started, h.rank FROM lines l CROSS JOIN LATERAL (
            SELECT t.rank FROM promises_task t
             WHERE t.target = p_target AND t.func = l.func AND t.is_started = l.is_started AND t.rank IS NOT NULL
             ORDER BY t.rank LIMIT 1) h
         ORDER BY h.rank
    LOOP
        IF q.key IS NOT NULL THEN
            SELECT count(*) INTO held FROM promises_task t WHERE t.state = 'acquired' AND t.target = p_target;
            blocked := promises_limit_blocks(q, held, line.is_started, p_now);
            look_at := least(look_at, nullif(blocked, 0));
            CONTINUE WHEN blocked IS NOT NULL;
        END IF;
        w := NULL;
        SELECT * INTO w FROM promises_limit_lock('workflow:' || line.func, p_now);
        IF w.key IS NOT NULL THEN
            SELECT count(*) INTO held FROM promises_task t WHERE t.state = 'acquired' AND t.func = line.func;
            blocked := promises_limit_blocks(w, held, line.is_started, p_now);
            look_at := least(look_at, nullif(blocked, 0));
            CONTINUE WHEN blocked IS NOT NULL;
        END IF;
        SELECT t.id INTO id FROM promises_task t JOIN promises_promise p ON p.id = t.id
         WHERE t.target = p_target AND t.func = line.func AND t.is_started = line.is_started AND t.rank IS NOT NULL
           AND p.timeout_at > p_now
         ORDER BY t.rank LIMIT 1 FOR UPDATE OF t SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
        IF NOT line.is_started THEN
            UPDATE promises_limit l SET tokens = x.tokens - 1, refilled_at = x.refilled_at
              FROM (VALUES (q.key, q.tokens, q.refilled_at), (w.key, w.tokens, w.refilled_at)) AS x(key, tokens, refilled_at)
             WHERE l.key = x.key AND l.rate IS NOT NULL;
        END IF;
        RETURN;
    END LOOP;
END
$$;

-- task.claim: the lease of the ready task that is first in line in one of the queues p_targets, earlier ones first, as task_acquire
-- gives it. Without a task one row with status 204, whose timeout_at says when a rate will allow one (NULL: when something happens).
-- Locks as the two functions above do.
CREATE FUNCTION promises_task_claim(p_targets text[], p_pid text, p_ttl bigint, p_now bigint, p_retry bigint)
RETURNS SETOF promises_answer LANGUAGE plpgsql AS $$
DECLARE
    is_limited boolean := EXISTS (SELECT FROM promises_limit);
    v_target text;
    v_id text;
    nothing promises_answer;
BEGIN
    FOREACH v_target IN ARRAY p_targets LOOP
        IF is_limited THEN
            SELECT f.id, least(f.look_at, nothing.timeout_at) INTO v_id, nothing.timeout_at
              FROM promises_first_within_limits(v_target, p_now) f;
        ELSE
            v_id := promises_first_in_line(v_target, p_now);
        END IF;
        IF v_id IS NOT NULL THEN
            RETURN QUERY SELECT * FROM promises_lease(v_id, p_pid, p_ttl, p_now, NULL);
            RETURN;
        END IF;
    END LOOP;
    nothing.status := 204;
    RETURN NEXT nothing;
END
$$;

-- Make p_rows ([{"key", "concurrency", "rate", "period_ms"}]) the limits that the code declares, none where all are NULL; what an
-- operator has set stays, and so do keys that other code declares. A changed rate starts with a full bucket. Locks the rows that
-- change.
CREATE FUNCTION promises_limits_declare(p_rows jsonb) RETURNS void LANGUAGE sql AS $$
    DELETE FROM promises_limit l USING jsonb_to_recordset(p_rows) AS x(key text, concurrency int, rate int)
     WHERE NOT l.is_overridden AND l.key = x.key AND x.concurrency IS NULL AND x.rate IS NULL;
    INSERT INTO promises_limit AS l (key, concurrency, rate, period_ms, tokens, refilled_at, is_overridden)
    SELECT x.key, x.concurrency, x.rate, x.period_ms, x.rate, 0, false
      FROM jsonb_to_recordset(p_rows) AS x(key text, concurrency int, rate int, period_ms bigint)
     WHERE x.concurrency IS NOT NULL OR x.rate IS NOT NULL ORDER BY x.key
    ON CONFLICT (key) DO UPDATE SET concurrency = excluded.concurrency, rate = excluded.rate, period_ms = excluded.period_ms,
                                    tokens = excluded.tokens
     WHERE NOT l.is_overridden
       AND (l.concurrency, l.rate, l.period_ms) IS DISTINCT FROM (excluded.concurrency, excluded.rate, excluded.period_ms);
$$;

-- task.fulfill, and the next claim in the same commit: its rows follow the answer. Locks as the two do; what the claim locks, it either
-- waits for while nobody who holds it waits, or skips.
CREATE FUNCTION promises_task_fulfill_claim(
    p_id text, p_version int, p_state text, p_headers jsonb, p_data text,
    p_targets text[], p_pid text, p_ttl bigint, p_now bigint, p_retry bigint
) RETURNS SETOF promises_answer LANGUAGE plpgsql AS $$
DECLARE
    a promises_answer;
BEGIN
    SELECT * INTO a FROM promises_task_fulfill(p_id, p_version, p_state, p_headers, p_data, p_now, p_retry);
    RETURN NEXT a;
    IF a.status = 200 THEN
        RETURN QUERY SELECT * FROM promises_task_claim(p_targets, p_pid, p_ttl, p_now, p_retry);
    END IF;
END
$$;

-- task.suspend, and the next claim in the same commit, as above. Without a suspension (300, a refusal) nothing is claimed.
CREATE FUNCTION promises_task_suspend_claim(
    p_id text, p_version int, p_awaited text[], p_rows jsonb, p_same_origin boolean,
    p_targets text[], p_pid text, p_ttl bigint, p_now bigint, p_retry bigint
) RETURNS SETOF promises_answer LANGUAGE plpgsql AS $$
DECLARE
    a promises_answer;
BEGIN
    FOR a IN SELECT * FROM promises_task_suspend(p_id, p_version, p_awaited, p_rows, p_same_origin, p_now, p_retry) LOOP
        RETURN NEXT a;
    END LOOP;
    IF a.status = 200 THEN
        RETURN QUERY SELECT * FROM promises_task_claim(p_targets, p_pid, p_ttl, p_now, p_retry);
    END IF;
END
$$;
