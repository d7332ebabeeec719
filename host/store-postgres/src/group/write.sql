WITH input AS MATERIALIZED (
    SELECT * FROM unnest(
        $1::bytea[], $2::boolean[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[],
        $7::text[], $8::bigint[], $9::bigint[], $10::boolean[], $11::boolean[], $12::text[],
        $13::bigint[], $14::bytea[], $15::text[], $16::text[], $17::bigint[], $18::bytea[],
        $19::bigint[]
    ) AS i (
        run, opens, next, upto, fence, head, state, ended, taken, frees, tells, waits_on, wake_at,
        component, reference, function, started, host, held_until
    )
), moved AS (
    UPDATE longshore.runs r
    SET entries = i.upto,
        head = coalesce(i.head, r.head),
        state = coalesce(i.state, r.state),
        ended = i.ended,
        taken = coalesce(i.taken, r.taken),
        host = CASE WHEN i.frees THEN NULL ELSE r.host END,
        held_until = CASE WHEN i.frees THEN NULL ELSE r.held_until END,
        waits_on = i.waits_on,
        wake_at = i.wake_at
    FROM input i
    WHERE NOT i.opens AND r.id = i.run AND r.entries = i.next AND r.fence = i.fence
        AND r.state = 'open'
    RETURNING r.id
), opened AS (
    INSERT INTO longshore.runs (
        id, component, reference, function, started, ended, state, entries, head, fence, host,
        held_until, waits_on, wake_at
    )
    SELECT run, component, reference, function, started, ended, coalesce(state, 'open'), upto, head,
        fence, host, held_until, waits_on, wake_at
    FROM input WHERE opens
    ON CONFLICT (id) DO NOTHING
    RETURNING id
), fits AS (
    SELECT id FROM moved UNION ALL SELECT id FROM opened
), kept AS (
    INSERT INTO longshore.entries (run, seq, at, hash, bytes)
    SELECT e.run, e.seq, e.at, e.hash, e.bytes
    FROM unnest($20::bytea[], $21::bigint[], $22::bigint[], $23::bytea[], $24::bytea[])
        AS e (run, seq, at, hash, bytes)
    JOIN fits ON fits.id = e.run
), settled AS (
    UPDATE longshore.letters l SET bytes = NULL
    FROM input i JOIN fits ON fits.id = i.run
    WHERE l.run = i.run AND l.bytes IS NOT NULL AND ((i.ended IS NOT NULL AND i.state <> 'continued') OR l.seq < i.taken)
)
SELECT fits.id,
    set_config('synchronous_commit', $25, true),
    CASE WHEN i.tells THEN pg_notify($26, encode(fits.id, 'hex'))::text END
FROM fits JOIN input i ON i.run = fits.id
