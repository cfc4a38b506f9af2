-- What is done to a whole call graph: a promise and all that lie below it. Their ids are one range of the primary key.

-- The first text that no id below p_id begins with, and the separator below it: `r:` .. `r;`, and `r:1.` .. `r:1/`.
CREATE FUNCTION promises_below(p_id text, OUT first text, OUT past text) LANGUAGE sql IMMUTABLE AS $$
    SELECT p_id || CASE WHEN strpos(p_id, ':') = 0 THEN ':' ELSE '.' END, p_id || CASE WHEN strpos(p_id, ':') = 0 THEN ';' ELSE '/' END
$$;

-- Cancel a promise and every pending one below it, except what was started detached. One that has ended otherwise is answered as it is,
-- and nothing below it is touched. p_task and p_version: as the holder of that lease; NULL for anybody.
-- Locks the root's promise FOR UPDATE, so that no worker adds to the graph meanwhile (see promises_task_record); then the pending
-- promises of the graph in id order, then their tasks, the tasks of their awaiters and p_task, in id order.
CREATE FUNCTION promises_graph_cancel(
    p_id text, p_task text, p_version int, p_headers jsonb, p_data text, p_now bigint, p_retry bigint
) RETURNS SETOF promises_answer LANGUAGE plpgsql AS $$
DECLARE
    below record := promises_below(p_id);
    top promises_promise;
    ids text[];
    r record;
    refusal promises_answer;
    wakes jsonb := '[]';
BEGIN
    PERFORM FROM promises_promise WHERE id = split_part(p_id, ':', 1) FOR UPDATE;
    SELECT * INTO top FROM promises_promise WHERE id = p_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NEXT promises_refusal(404, 'Promise not found');
        RETURN;
    END IF;
    IF top.state IN ('pending', 'rejected_canceled') THEN
        SELECT array_agg(x.id) INTO ids FROM (
            SELECT id FROM promises_promise
             WHERE id >= below.first AND id < below.past AND state = 'pending'
               AND NOT coalesce(starts_with(tags ->> 'countersign:detached', below.first), false)
             ORDER BY id FOR UPDATE) x;
        ids := CASE WHEN top.state = 'pending' THEN ARRAY[p_id] ELSE '{}' END || ids;
    END IF;
    PERFORM FROM promises_task
      WHERE id = ANY (ARRAY(SELECT unnest(ids || p_task) UNION SELECT awaiter FROM promises_callback WHERE awaited = ANY (ids)))
      ORDER BY id FOR UPDATE;
    IF p_task IS NOT NULL THEN
        refusal := promises_fenced(p_task, p_version, p_now);
        IF refusal.status IS NOT NULL THEN
            RETURN NEXT refusal;
            RETURN;
        END IF;
    END IF;
    FOR r IN SELECT id, timeout_at FROM promises_promise WHERE id = ANY (ids) ORDER BY id LOOP
        wakes := wakes || coalesce(CASE
            WHEN r.timeout_at <= p_now THEN promises_expire(r.id, p_now, p_retry)
            WHEN r.id = p_id THEN promises_settle_locked(r.id, 'rejected_canceled', p_headers, p_data, p_now, p_now, p_retry)
            ELSE promises_settle_locked(r.id, 'rejected_canceled', NULL, NULL, p_now, p_now, p_retry) END, '[]');
    END LOOP;
    SELECT * INTO top FROM promises_promise WHERE id = p_id;
    RETURN NEXT promises_answer_of(top, NULL, 200, nullif(wakes, '[]'), p_now);
END
$$;

-- Dispatch every halted task of a call graph again; answers their ids. A task whose promise is past its deadline is left to that.
-- Locks those tasks in id order.
CREATE FUNCTION promises_graph_continue(
    p_id text, p_now bigint, p_retry bigint, OUT status int, OUT message text, OUT wakes jsonb, OUT continued jsonb
) LANGUAGE plpgsql AS $$
DECLARE
    below record := promises_below(p_id);
    r record;
BEGIN
    FOR r IN
        SELECT t.id FROM promises_task t JOIN promises_promise p ON p.id = t.id
         WHERE t.state = 'halted' AND (t.id = p_id OR t.id >= below.first AND t.id < below.past) AND p.timeout_at > p_now
         ORDER BY t.id FOR UPDATE OF t
    LOOP
        continued := coalesce(continued, '[]') || to_jsonb(r.id);
        wakes := coalesce(wakes, '[]') || (SELECT c.wakes FROM promises_task_continue(r.id, p_now, p_retry) c);
    END LOOP;
    status := 200;
    IF NOT EXISTS (SELECT FROM promises_promise WHERE id = p_id) THEN
        status := 404;
        message := 'Promise not found';
    ELSIF continued IS NULL THEN
        status := 409;
        message := 'Nothing of it is halted';
    END IF;
END
$$;
