-- Pushes that wait no more: due now, or canceled.
DELETE FROM waiting_pushes
WHERE ctid = ANY (ARRAY(
    SELECT r.ctid
    FROM unnest($2::text[], $3::text[], $4::bigint[]) AS n(app, user_name, position)
    CROSS JOIN LATERAL (
        SELECT t.ctid
        FROM waiting_pushes t
        WHERE t.partition = $1 AND t.app = n.app AND t.user_name = n.user_name AND t.position = n.position
        OFFSET 0
    ) r
))
