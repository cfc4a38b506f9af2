-- The life of a task. Every verb of a worker names the version it holds; any other version is refused with 409.

-- The rows a worker replays from: all promises of the task's branch and the remote calls made from it. The ids of a call graph are
-- one range of the primary key (':' is followed by ';', '.' by '/' in byte order), so this is a range scan, not a search. An execution
-- `a.b` lies in the range of the execution `a`, but not in its branch.
CREATE FUNCTION promises_branch(p_id text, p_branch text) RETURNS SETOF promises_promise LANGUAGE sql STABLE AS $$
    SELECT p.* FROM promises_promise p
     WHERE p.id >= p_branch || '.' AND p.id < p_branch || '/' AND p.id <> p_id AND NOT p.is_root
       AND (p.tags ->> 'resonate:branch' = p_branch OR p.tags ->> 'resonate:branch' = p.id)
    UNION ALL
    SELECT p.* FROM promises_promise p
     WHERE p.id >= p_branch || ':' AND p.id < p_branch || ';' AND p.id <> p_id AND strpos(p_branch, ':') = 0
       AND (p.tags ->> 'resonate:branch' = p_branch OR p.tags ->> 'resonate:branch' = p.id)
$$;

-- A lease until p_now + p_ttl on a pending task that the caller has locked, version + 1, and the record to replay from; the first row
-- is the task's own promise.
CREATE FUNCTION promises_lease(p_id text, p_pid text, p_ttl bigint, p_now bigint, p_wakes jsonb)
RETURNS SETOF promises_answer LANGUAGE plpgsql AS $$
DECLARE
    p promises_promise;
    t promises_task;
BEGIN
    UPDATE promises_task
       SET state = 'acquired', version = version + 1, resumes = 0, pid = p_pid, ttl = p_ttl, due_at = p_now + p_ttl, dispatches = 0,
           ready_at = promises_ready_at(priority, rank), rank = NULL, is_started = true
     WHERE id = p_id RETURNING * INTO t;
    SELECT * INTO p FROM promises_promise WHERE id = p_id;
    RETURN NEXT promises_answer_of(p, t, 200, p_wakes, p_now);
    RETURN QUERY
        SELECT 200, NULL::text, NULL::jsonb, NULL::text, NULL::text, NULL::int, NULL::int, NULL::text, NULL::bigint, NULL::text,
               c.id, promises_state_at(c, p_now), c.param_headers, c.param_data, c.value_headers, c.value_data, c.tags, c.timeout_at,
               c.created_at, CASE WHEN promises_is_over(c, p_now) THEN c.timeout_at ELSE c.settled_at END, NULL::bigint
          FROM promises_branch(p_id, coalesce(p.tags ->> 'resonate:branch', p_id)) c;
END
$$;

-- task.acquire: see above. p_version NULL takes whatever version it has. Locks the task FOR UPDATE (and the promise, if its deadline has to be applied).
CREATE FUNCTION promises_task_acquire(p_id text, p_version int, p_pid text, p_ttl bigint, p_now bigint, p_retry bigint)
RETURNS SETOF promises_answer LANGUAGE plpgsql AS $$
DECLARE
    t promises_task;
    wakes jsonb := promises_expire(p_id, p_now, p_retry);
BEGIN
    SELECT * INTO t FROM promises_task WHERE id = p_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NEXT promises_refusal(404, 'Task not found', wakes);
    ELSIF t.state <> 'pending' THEN
        RETURN NEXT promises_refusal(409, 'Task is ' || t.state, wakes);
    ELSIF t.version <> p_version THEN
        RETURN NEXT promises_refusal(409, 'Task has another version', wakes);
    ELSE
        RETURN QUERY SELECT * FROM promises_lease(p_id, p_pid, p_ttl, p_now, wakes);
    END IF;
END
$$;

-- task.create: create a promise with a target and hold its lease at once, or take the lease of the existing pending task.
-- Locks as promise_create and task_acquire do.
CREATE FUNCTION promises_task_create(p_row jsonb, p_pid text, p_ttl bigint, p_now bigint, p_retry bigint)
RETURNS SETOF promises_answer LANGUAGE plpgsql AS $$
DECLARE
    p promises_promise;
    t promises_task;
    v_id text := p_row ->> 'id';
    wakes jsonb;
BEGIN
    PERFORM promises_insert(jsonb_build_array(p_row), p_now, p_retry);
    wakes := promises_expire(v_id, p_now, p_retry);
    SELECT * INTO t FROM promises_task WHERE id = v_id;
    IF NOT FOUND THEN
        RETURN NEXT promises_refusal(422, 'Promise has no target', wakes);
    ELSIF t.state = 'fulfilled' THEN
        SELECT * INTO p FROM promises_promise WHERE id = v_id;
        RETURN NEXT promises_answer_of(p, t, 200, wakes, p_now);
    ELSIF t.state <> 'pending' THEN
        RETURN NEXT promises_refusal(409, 'Already exists');
    ELSE
        RETURN QUERY SELECT * FROM promises_task_acquire(v_id, NULL, p_pid, p_ttl, p_now, p_retry);
    END IF;
END
$$;

-- Why a worker that claims to hold p_version may not write; NULL when it may. Locks nothing: verbs that change the task lock it
-- first. Those that only add promises need no lock: were the lease taken between this look and their commit, the key of the promise
-- decides which of the two workers' outcomes is the recorded one, and the other worker is told.
CREATE FUNCTION promises_fenced(p_id text, p_version int, p_now bigint) RETURNS promises_answer LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_state text;
    v_version int;
    v_timeout_at bigint;
BEGIN
    SELECT t.state, t.version, p.timeout_at INTO v_state, v_version, v_timeout_at
      FROM promises_task t JOIN promises_promise p ON p.id = t.id WHERE t.id = p_id;
    IF v_state = 'acquired' AND v_version = p_version AND v_timeout_at > p_now THEN
        RETURN NULL;
    ELSIF v_state IS NULL THEN
        RETURN promises_refusal(404, 'Task not found');
    ELSIF v_state = 'acquired' AND v_version = p_version THEN
        RETURN promises_refusal(409, 'Task is fulfilled');
    ELSIF v_state = 'acquired' THEN
        RETURN promises_refusal(409, 'Task has another version');
    END IF;
    RETURN promises_refusal(409, 'Task is ' || v_state);
END
$$;

-- task.fence (create): any number of promises, pending or already settled, written by the holder of the lease. `known` is NULL when all
-- are new; when some of them existed before, all are told as they are stored: the record wins over what the worker brings. The verb of
-- the hot path, so it answers four columns instead of a row of promises_answer. Locks only what it inserts; for pending promises
-- also the root's promise and the task, FOR SHARE.
CREATE FUNCTION promises_task_record(
    p_id text, p_version int, p_rows jsonb, p_now bigint, p_retry bigint,
    OUT status int, OUT message text, OUT wakes jsonb, OUT known jsonb
) LANGUAGE plpgsql AS $$
DECLARE
    refusal promises_answer;
    created int;
    is_pending boolean := p_rows @? '$[*] ? (@.state == "pending")';
BEGIN
    -- What is still to run must not appear in an execution that has just ended: whoever cancels a call graph has seen all of it.
    IF is_pending THEN
        PERFORM FROM promises_promise WHERE id = split_part(p_id, ':', 1) FOR SHARE;
        PERFORM FROM promises_task WHERE id = p_id FOR SHARE;
    END IF;
    refusal := promises_fenced(p_id, p_version, p_now);
    IF refusal.status IS NOT NULL THEN
        status := refusal.status;
        message := refusal.message;
        RETURN;
    END IF;
    status := 200;
    SELECT i.wakes, i.created INTO wakes, created FROM promises_insert(p_rows, p_now, p_retry) i;
    IF created < jsonb_array_length(p_rows) THEN
        SELECT jsonb_agg(to_jsonb(promises_answer_of(q, NULL, 200, NULL, p_now))) INTO known FROM promises_promise q
         WHERE q.id = ANY (ARRAY(SELECT x ->> 'id' FROM jsonb_array_elements(p_rows) x));
    END IF;
END
$$;

-- task.fence (settle): settle another promise as the holder of the lease. Locks that promise FOR UPDATE, then the task FOR SHARE, so
-- that nobody can take the lease before the settlement commits.
CREATE FUNCTION promises_task_fence_settle(
    p_id text, p_version int, p_promise text, p_state text, p_headers jsonb, p_data text, p_now bigint, p_retry bigint
) RETURNS SETOF promises_answer LANGUAGE plpgsql AS $$
DECLARE
    refusal promises_answer;
BEGIN
    PERFORM FROM promises_promise WHERE id = p_promise FOR UPDATE;
    PERFORM FROM promises_task WHERE id = p_id FOR SHARE;
    refusal := promises_fenced(p_id, p_version, p_now);
    IF refusal.status IS NOT NULL THEN
        RETURN NEXT refusal;
    ELSE
        RETURN QUERY SELECT * FROM promises_promise_settle(p_promise, p_state, p_headers, p_data, p_now, p_retry);
    END IF;
END
$$;

-- task.suspend: create the promises of p_rows that are missing, register the task as awaiter of p_awaited and give up the lease;
-- 300 with the settled ones when any awaited promise is settled already (then the lease is kept and no callback stored).
-- Locks the awaited promises FOR SHARE in id order, then the task FOR UPDATE: a settlement that runs at the same time either comes
-- first, and is seen, or finds the callback. Creating also shares the lock of the root's promise, as promises_task_record does.
CREATE FUNCTION promises_task_suspend(
    p_id text, p_version int, p_awaited text[], p_rows jsonb, p_same_origin boolean, p_now bigint, p_retry bigint
) RETURNS SETOF promises_answer LANGUAGE plpgsql AS $$
DECLARE
    own promises_promise;
    c promises_promise;
    wakes jsonb;
    seen int := 0;
    settled int := 0;
BEGIN
    PERFORM FROM promises_promise
      WHERE id = ANY (CASE WHEN p_rows = '[]' THEN p_awaited ELSE p_awaited || split_part(p_id, ':', 1) END)
      ORDER BY id FOR SHARE;
    SELECT p.* INTO own FROM promises_task t JOIN promises_promise p ON p.id = t.id
     WHERE t.id = p_id AND t.state = 'acquired' AND t.version = p_version AND p.timeout_at > p_now FOR UPDATE OF t;
    IF NOT FOUND THEN
        RETURN NEXT promises_fenced(p_id, p_version, p_now);
        RETURN;
    END IF;
    IF p_rows <> '[]' THEN
        SELECT i.wakes INTO wakes FROM promises_insert(p_rows, p_now, p_retry) i;
    END IF;
    FOR c IN SELECT * FROM promises_promise WHERE id = ANY (p_awaited) ORDER BY id FOR SHARE LOOP
        seen := seen + 1;
        IF p_same_origin AND promises_origin(c.id, c.tags) <> promises_origin(own.id, own.tags) THEN
            RAISE EXCEPTION 'Awaited and awaiter must have the same origin' USING ERRCODE = 'CS400';
        ELSIF promises_not_awaitable(c) IS NOT NULL THEN
            RAISE EXCEPTION '%', promises_not_awaitable(c) USING ERRCODE = 'CS422';
        END IF;
        IF promises_state_at(c, p_now) <> 'pending' THEN
            settled := settled + 1;
            RETURN NEXT promises_answer_of(c, NULL, 300, wakes, p_now);
            wakes := NULL;
        END IF;
    END LOOP;
    IF seen < cardinality(p_awaited) THEN
        RAISE EXCEPTION 'Awaited promise not found' USING ERRCODE = 'CS422';
    END IF;
    IF settled > 0 THEN
        UPDATE promises_task SET resumes = 0 WHERE id = p_id AND resumes > 0;
        RETURN;
    END IF;
    INSERT INTO promises_callback (awaited, awaiter) SELECT unnest(p_awaited), p_id ON CONFLICT DO NOTHING;
    UPDATE promises_task SET state = 'suspended', resumes = 0, pid = NULL, ttl = NULL, due_at = NULL, crashes = 0 WHERE id = p_id;
    RETURN NEXT ROW(200, NULL, wakes, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::promises_answer;
END
$$;

-- task.fulfill: settle the task's own promise with the function's outcome. Locks the promise FOR UPDATE, then the task.
CREATE FUNCTION promises_task_fulfill(
    p_id text, p_version int, p_state text, p_headers jsonb, p_data text, p_now bigint, p_retry bigint
) RETURNS SETOF promises_answer LANGUAGE plpgsql AS $$
DECLARE
    refusal promises_answer;
    p promises_promise;
    wakes jsonb;
BEGIN
    SELECT * INTO p FROM promises_promise WHERE id = p_id FOR UPDATE;
    PERFORM FROM promises_task WHERE id = p_id AND state = 'acquired' AND version = p_version FOR UPDATE;
    IF FOUND AND p.timeout_at > p_now THEN
        wakes := promises_settle_locked(p_id, p_state, p_headers, p_data, p_now, p_now, p_retry);
        p.state := p_state; p.value_headers := p_headers; p.value_data := p_data; p.settled_at := p_now;
        RETURN NEXT promises_answer_of(p, NULL, 200, wakes, p_now);
    ELSE
        refusal := promises_fenced(p_id, p_version, p_now);
        refusal.wakes := promises_expire(p_id, p_now, p_retry);
        RETURN NEXT refusal;
    END IF;
END
$$;

-- task.release: give the lease back; the task is due at once, or after p_delay ms. Locks the task FOR UPDATE.
CREATE FUNCTION promises_task_release(p_id text, p_version int, p_delay bigint, p_now bigint, p_retry bigint)
RETURNS SETOF promises_answer LANGUAGE plpgsql AS $$
DECLARE
    refusal promises_answer;
    t promises_task;
    wakes jsonb;
BEGIN
    PERFORM FROM promises_task WHERE id = p_id FOR UPDATE;
    refusal := promises_fenced(p_id, p_version, p_now);
    IF refusal.status IS NOT NULL THEN
        RETURN NEXT refusal;
        RETURN;
    END IF;
    UPDATE promises_task SET state = 'pending', pid = NULL, ttl = NULL, crashes = 0,
                             dispatches = CASE WHEN p_delay > 0 THEN 0 ELSE 1 END,
                             rank = CASE WHEN p_delay > 0 THEN NULL ELSE promises_rank(priority, p_now) END,
                             due_at = p_now + CASE WHEN p_delay > 0 THEN p_delay ELSE p_retry END
     WHERE id = p_id RETURNING * INTO t;
    IF p_delay <= 0 THEN
        wakes := jsonb_build_array(promises_wake(t.id, t.version, t.target));
    END IF;
    RETURN NEXT ROW(200, NULL, wakes, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::promises_answer;
END
$$;

-- task.heartbeat: extend the leases that p_pid still holds; answers their ids. Locks the tasks, and skips those that others have
-- locked: a settlement holds a call's task while it waits for its caller's, so a heartbeat that waited for both could wait for ever.
-- Such a lease is extended by the next beat.
CREATE FUNCTION promises_task_heartbeat(p_pid text, p_ids text[], p_versions int[], p_now bigint)
RETURNS SETOF text LANGUAGE sql AS $$
    WITH held AS (
        SELECT t.id FROM unnest(p_ids, p_versions) AS x(id, version)
          JOIN promises_task t ON t.id = x.id AND t.version = x.version
          JOIN promises_promise p ON p.id = t.id
         WHERE t.state = 'acquired' AND t.pid = p_pid AND p.state = 'pending' AND p.timeout_at > p_now
         ORDER BY t.id FOR UPDATE OF t SKIP LOCKED
    )
    UPDATE promises_task t SET due_at = p_now + t.ttl FROM held WHERE t.id = held.id RETURNING t.id
$$;

-- task.halt: stop dispatching, with the reason. p_version NULL halts whatever version it has (an operator), else only the
-- holder's. Locks the task FOR UPDATE.
CREATE FUNCTION promises_task_halt(p_id text, p_version int, p_reason text, p_now bigint, p_retry bigint)
RETURNS SETOF promises_answer LANGUAGE plpgsql AS $$
DECLARE
    t promises_task;
    wakes jsonb := promises_expire(p_id, p_now, p_retry);
BEGIN
    SELECT * INTO t FROM promises_task WHERE id = p_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NEXT promises_refusal(404, 'Task not found', wakes);
    ELSIF t.state = 'fulfilled' THEN
        RETURN NEXT ROW(409, 'Task is fulfilled', wakes, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::promises_answer;
    ELSIF p_version IS NOT NULL AND (t.version <> p_version OR t.state <> 'acquired') THEN
        RETURN NEXT promises_refusal(409, 'Task has another version');
    ELSE
        UPDATE promises_task SET state = 'halted', pid = NULL, ttl = NULL, due_at = NULL, rank = NULL, halt_reason = p_reason WHERE id = p_id;
        RETURN NEXT ROW(200, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::promises_answer;
    END IF;
END
$$;

-- task.continue: a halted task is due again, its crash count forgotten. Locks the task FOR UPDATE.
CREATE FUNCTION promises_task_continue(p_id text, p_now bigint, p_retry bigint)
RETURNS SETOF promises_answer LANGUAGE plpgsql AS $$
DECLARE
    t promises_task;
    wakes jsonb := promises_expire(p_id, p_now, p_retry);
BEGIN
    UPDATE promises_task SET state = 'pending', crashes = 0, dispatches = 1, due_at = p_now + p_retry, halt_reason = '',
                             rank = promises_rank(priority, p_now)
     WHERE id = p_id AND state = 'halted' RETURNING * INTO t;
    IF FOUND THEN
        wakes := jsonb_build_array(promises_wake(t.id, t.version, t.target));
    ELSIF NOT EXISTS (SELECT FROM promises_task WHERE id = p_id) THEN
        RETURN NEXT promises_refusal(404, 'Task not found', wakes);
        RETURN;
    END IF;
    RETURN NEXT ROW(CASE WHEN t.id IS NULL THEN 409 ELSE 200 END, CASE WHEN t.id IS NULL THEN 'Task is not halted' END, wakes,
                    NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::promises_answer;
END
$$;
