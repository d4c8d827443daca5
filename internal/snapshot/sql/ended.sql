-- A list's rows; those that are the same already are not written.
INSERT INTO ended_sessions AS t (partition, app, user_name, place, session, at, device, reason)
SELECT $1::integer, n.*
FROM unnest($2::text[], $3::text[], $4::integer[], $5::uuid[], $6::bigint[], $7::text[],
        $8::integer[])
    AS n(app, user_name, place, session, at, device, reason)
ON CONFLICT (partition, app, user_name, place) DO UPDATE SET
    (session, at, device, reason) =
    (excluded.session, excluded.at, excluded.device, excluded.reason)
WHERE (t.session, t.at, t.device, t.reason)
    IS DISTINCT FROM (excluded.session, excluded.at, excluded.device, excluded.reason)
