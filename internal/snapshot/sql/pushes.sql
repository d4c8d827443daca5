-- Stored pushes of which something has changed, most often only a debt: rows
-- that say the same already are not written.
UPDATE pending_pushes t
SET (ask, class, delivered, unconfirmed, unreached) = (n.ask, n.class, n.delivered, n.unconfirmed, n.unreached)
FROM (
    SELECT r.ctid AS at, i.*
    FROM unnest($2::text[], $3::text[], $4::bigint[], $5::integer[], $6::integer[], $7::boolean[], $8::boolean[],
            $9::boolean[])
        AS i(app, user_name, position, ask, class, delivered, unconfirmed, unreached)
    CROSS JOIN LATERAL (
        SELECT p.ctid
        FROM pending_pushes p
        WHERE p.partition = $1 AND p.app = i.app AND p.user_name = i.user_name AND p.position = i.position
            AND (p.ask, p.class, p.delivered, p.unconfirmed, p.unreached) IS DISTINCT FROM (i.ask, i.class, i.delivered, i.unconfirmed, i.unreached)
        OFFSET 0
    ) r
    OFFSET 0
) n
WHERE t.ctid = n.at
