-- A list's rows; those that are the same already are not written.
INSERT INTO closing AS t (partition, app, user_name, place, gate, incarnation, connection, device, reason)
SELECT $1::integer, n.*
FROM unnest($2::text[], $3::text[], $4::integer[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::text[], $9::integer[])
    AS n(app, user_name, place, gate, incarnation, connection, device, reason)
ON CONFLICT (partition, app, user_name, place) DO UPDATE SET
    (gate, incarnation, connection, device, reason) =
    (excluded.gate, excluded.incarnation, excluded.connection, excluded.device,
        excluded.reason)
WHERE (t.gate, t.incarnation, t.connection, t.device, t.reason)
    IS DISTINCT FROM (excluded.gate, excluded.incarnation, excluded.connection, excluded.device,
        excluded.reason)
