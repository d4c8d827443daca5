-- What lies behind the end of a list.
DELETE FROM tombstones
WHERE ctid = ANY (ARRAY(
    SELECT r.ctid
    FROM unnest($2::text[], $3::text[], $4::integer[]) AS n(app, user_name, place)
    CROSS JOIN LATERAL (
        SELECT t.ctid
        FROM tombstones t
        WHERE t.partition = $1 AND t.app = n.app AND t.user_name = n.user_name AND t.place >= n.place
        OFFSET 0
    ) r
))
