-- Devices that have a route, perhaps another one than before.
INSERT INTO routes AS t (partition, app, user_name, place, gate, incarnation, connection, base, resume_at,
        since, in_flight, max_frame, adopt)
SELECT $1::integer, n.*
FROM unnest($2::text[], $3::text[], $4::integer[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::integer[])
    AS n(app, user_name, place, gate, incarnation, connection, base, resume_at, since,
        in_flight, max_frame, adopt)
ON CONFLICT (partition, app, user_name, place) DO UPDATE SET
    (gate, incarnation, connection, base, resume_at, since, in_flight, max_frame, adopt) =
    (excluded.gate, excluded.incarnation, excluded.connection, excluded.base,
        excluded.resume_at, excluded.since, excluded.in_flight, excluded.max_frame,
        excluded.adopt)
