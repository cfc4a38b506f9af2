-- Creating promises.

-- Insert the promises of p_rows that do not exist yet, with the tasks of those that have a target; answers the wake-ups and how many
-- were created.
-- p_rows: [{"id", "timeout_at", "param_headers"?, "param_data"?, "tags", "state"?, "value_headers"?, "value_data"?, "created_at"?}];
-- a row with a settled state is a completed local step: it was settled by its deadline at the latest. Locks only what it inserts.
CREATE FUNCTION promises_insert(p_rows jsonb, p_now bigint, p_retry bigint, OUT wakes jsonb, OUT created int)
LANGUAGE plpgsql AS $$
DECLARE
    r record;
    delay bigint;
    v_priority int;
    is_ready boolean;
BEGIN
    created := 0;
    FOR r IN
        INSERT INTO promises_promise (id, state, param_headers, param_data, value_headers, value_data, tags,
                                      timeout_at, created_at, settled_at, is_root)
        SELECT x.id,
               CASE WHEN x.state <> 'pending' THEN x.state
                    WHEN x.timeout_at > p_now THEN 'pending'
                    ELSE promises_state_after(x.tags) END,
               x.param_headers, x.param_data, x.value_headers, x.value_data, x.tags,
               x.timeout_at,
               least(coalesce(x.created_at, p_now), x.timeout_at),
               CASE WHEN x.state <> 'pending' OR x.timeout_at <= p_now THEN least(p_now, x.timeout_at) END,
               promises_origin(x.id, x.tags) = x.id
          FROM jsonb_to_recordset(p_rows) AS x(id text, state text, timeout_at bigint, param_headers jsonb, param_data text,
                                               value_headers jsonb, value_data text, tags jsonb, created_at bigint)
        ON CONFLICT (id) DO NOTHING
        RETURNING id, state, tags, timeout_at
    LOOP
        created := created + 1;
        IF r.tags ? 'resonate:target' THEN
            -- A timer's task has nothing to execute: it waits for the deadline. A delayed one is first due at its instant.
            delay := (r.tags ->> 'resonate:delay')::bigint;
            v_priority := coalesce((r.tags ->> 'countersign:priority')::int, 0);
            is_ready := r.state = 'pending' AND r.tags ->> 'resonate:timer' IS DISTINCT FROM 'true' AND (delay IS NULL OR delay <= p_now);
            INSERT INTO promises_task (id, state, version, resumes, due_at, target, dispatches, crashes, progress, halt_reason,
                                       func, priority, is_started, rank)
            VALUES (r.id, CASE WHEN r.state = 'pending' THEN 'pending' ELSE 'fulfilled' END, 0, 0,
                    CASE WHEN r.state <> 'pending' THEN NULL
                         WHEN r.tags ->> 'resonate:timer' = 'true' THEN r.timeout_at + p_retry
                         WHEN delay > p_now THEN delay
                         ELSE p_now + p_retry END,
                    r.tags ->> 'resonate:target', CASE WHEN delay > p_now THEN 0 ELSE 1 END, 0, 0, '',
                    coalesce(r.tags ->> 'countersign:func', ''), v_priority, false,
                    CASE WHEN is_ready THEN promises_rank(v_priority, p_now) END);
            IF is_ready THEN
                wakes := coalesce(wakes, '[]') || promises_wake(r.id, 0, r.tags ->> 'resonate:target');
            END IF;
        END IF;
        -- The clock looks once a second by itself; a nearer deadline is announced.
        IF r.state = 'pending' AND r.timeout_at - p_now < 1000 THEN
            PERFORM pg_notify('countersign_clock', '');
        END IF;
    END LOOP;
END
$$;

-- promise.create: create it, or tell what it already is. Locks nothing that exists, unless its deadline has to be applied.
CREATE FUNCTION promises_promise_create(p_row jsonb, p_now bigint, p_retry bigint)
RETURNS SETOF promises_answer LANGUAGE plpgsql AS $$
DECLARE
    p promises_promise;
    t promises_task;
    created int;
    wakes jsonb;
BEGIN
    SELECT i.wakes, i.created INTO wakes, created FROM promises_insert(jsonb_build_array(p_row), p_now, p_retry) i;
    IF created = 0 THEN
        wakes := promises_expire(p_row ->> 'id', p_now, p_retry);
    END IF;
    SELECT * INTO p FROM promises_promise WHERE id = p_row ->> 'id';
    SELECT * INTO t FROM promises_task WHERE id = p_row ->> 'id';
    RETURN NEXT promises_answer_of(p, t, 200 + created, wakes, p_now);
END
$$;
