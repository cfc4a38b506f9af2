-- The lineage root of a promise: its tag, or the text of its id before the first ':'. Locks nothing.
CREATE FUNCTION promises_origin(p_id text, p_tags jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(p_tags ->> 'resonate:origin', split_part(p_id, ':', 1))
$$;
