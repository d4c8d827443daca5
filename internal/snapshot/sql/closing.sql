-- A list's rows; those that are the same already are not written.
INSERT INTO closing AS t (partition, app, user_name, place, gate, incarnation, connection, device, reason, after, install)
SELECT $1::integer, n.*
FROM unnest($2::text[], $3::text[], $4::integer[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::text[], $9::integer[], $10::bigint[], $11::uuid[])
    AS n(app, user_name, place, gate, incarnation, connection, device, reason, after, install)
ON CONFLICT (partition, app, user_name, place) DO UPDATE SET
    (gate, incarnation, connection, device, reason, after, install) =
    (excluded.gate, excluded.incarnation, excluded.connection, excluded.device,
        excluded.reason, excluded.after, excluded.install)
WHERE (t.gate, t.incarnation, t.connection, t.device, t.reason, t.after, t.install)
    IS DISTINCT FROM (excluded.gate, excluded.incarnation, excluded.connection, excluded.device,
        excluded.reason, excluded.after, excluded.install)
