-- Stored pushes of which something has changed, most often only a debt: rows
-- that say the same already are not written.
UPDATE pending_pushes t
SET (ask, class, delivered, unconfirmed) = (n.ask, n.class, n.delivered, n.unconfirmed)
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::integer[], $6::integer[], $7::boolean[], $8::boolean[])
    AS n(app, user_name, position, ask, class, delivered, unconfirmed)
WHERE t.partition = $1 AND t.app = n.app AND t.user_name = n.user_name AND t.position = n.position
    AND (t.ask, t.class, t.delivered, t.unconfirmed) IS DISTINCT FROM (n.ask, n.class, n.delivered, n.unconfirmed)
