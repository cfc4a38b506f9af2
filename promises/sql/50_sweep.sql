-- What the clock does at p_now: deadlines, retries of unanswered dispatches, lapsed leases; at most p_limit of each.
-- A task whose own promise is past its deadline is left to that deadline. A worker that died after it had recorded something new is
-- not held against the function: only lapses without progress count, and p_max_crashes of them in a row halt the task.
-- Answers the wake-ups. Skips every row that somebody else has locked: it is being dealt with, or the next sweep finds it.
CREATE FUNCTION promises_sweep(p_now bigint, p_retry bigint, p_max_crashes int, p_limit int)
RETURNS TABLE (settled int, lapsed int, halted int, retried int, wakes jsonb) LANGUAGE plpgsql AS $$
DECLARE
    r record;
    woken jsonb;
    known int;
    deaths int;
    place text;
BEGIN
    settled := 0; lapsed := 0; halted := 0; retried := 0; wakes := '[]';
    FOR r IN
        SELECT id, tags, timeout_at FROM promises_promise
         WHERE state = 'pending' AND timeout_at < 9007199254740991 AND timeout_at <= p_now
         ORDER BY timeout_at LIMIT p_limit FOR UPDATE SKIP LOCKED
    LOOP
        woken := promises_settle_locked(
            r.id, promises_state_after(r.tags), NULL, NULL, r.timeout_at, p_now, p_retry);
        wakes := wakes || coalesce(woken, '[]');
        settled := settled + 1;
    END LOOP;

    FOR r IN
        SELECT t.*, coalesce(p.tags ->> 'resonate:branch', p.id) AS branch
          FROM promises_task t JOIN promises_promise p ON p.id = t.id
         WHERE t.due_at <= p_now AND p.timeout_at > p_now
         ORDER BY t.due_at LIMIT p_limit FOR UPDATE OF t SKIP LOCKED
    LOOP
        IF r.state = 'acquired' THEN
            SELECT count(*) INTO known FROM promises_branch(r.id, r.branch);
            deaths := CASE WHEN known > r.progress THEN 1 ELSE r.crashes + 1 END;
        END IF;
        IF r.state = 'acquired' AND deaths >= p_max_crashes THEN
            SELECT format('after %s (%s)', b.id, b.tags ->> 'countersign:func') INTO place FROM promises_branch(r.id, r.branch) b
             WHERE b.state <> 'pending' ORDER BY b.settled_at DESC, b.id DESC LIMIT 1;
            UPDATE promises_task SET state = 'halted', pid = NULL, ttl = NULL, due_at = NULL, crashes = deaths,
                   halt_reason = format('Its worker died or lost its lease %s times in a row (last: %s), each time %s. '
                                        'Find out why, then continue it.', deaths, r.pid, coalesce(place, 'at its first call'))
             WHERE id = r.id;
            halted := halted + 1;
        ELSE
            -- A dispatch nobody answers is repeated ever more slowly: a backlog must not be fed with copies of itself.
            UPDATE promises_task SET state = 'pending', pid = NULL, ttl = NULL, rank = coalesce(rank, promises_rank(priority, due_at)),
                   crashes = CASE WHEN r.state = 'acquired' THEN deaths ELSE r.crashes END,
                   progress = CASE WHEN r.state = 'acquired' THEN known ELSE r.progress END,
                   dispatches = CASE WHEN r.state = 'acquired' THEN 1 ELSE r.dispatches + 1 END,
                   due_at = p_now + p_retry * (1 << CASE WHEN r.state = 'acquired' THEN 0 ELSE least(r.dispatches, 6) END)
             WHERE id = r.id;
            wakes := wakes || promises_wake(r.id, r.version, r.target);
            IF r.state = 'acquired' THEN lapsed := lapsed + 1; ELSE retried := retried + 1; END IF;
        END IF;
    END LOOP;
    RETURN NEXT;
END
$$;
