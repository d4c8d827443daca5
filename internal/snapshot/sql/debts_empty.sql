-- Debts of which nothing is left, of pushes that are still there.
DELETE FROM debts
WHERE ctid = ANY (ARRAY(
    SELECT r.ctid
    FROM unnest($2::text[], $3::text[], $4::bigint[], $5::integer[]) AS n(app, user_name, position, place)
    CROSS JOIN LATERAL (
        SELECT t.ctid
        FROM debts t
        WHERE t.partition = $1 AND t.app = n.app AND t.user_name = n.user_name AND t.position = n.position AND t.place = n.place
        OFFSET 0
    ) r
))
