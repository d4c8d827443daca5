-- Devices that have no route any more.
DELETE FROM routes
WHERE ctid = ANY (ARRAY(
    SELECT r.ctid
    FROM unnest($2::text[], $3::text[], $4::integer[]) AS n(app, user_name, place)
    CROSS JOIN LATERAL (
        SELECT t.ctid
        FROM routes t
        WHERE t.partition = $1 AND t.app = n.app AND t.user_name = n.user_name AND t.place = n.place
        OFFSET 0
    ) r
))
