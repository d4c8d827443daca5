-- One row for all push ids of a flush. After the log was begun anew its offsets
-- come again: what stands there is from another log.
INSERT INTO recent_pushes (partition, next, part, users, push_ids, positions, digests, times, floor_users, floors)
VALUES ($1, $2, $3,
    coalesce($4::text[], '{}'), coalesce($5::uuid[], '{}'), coalesce($6::bigint[], '{}'),
    coalesce($7::bigint[], '{}'), coalesce($8::bigint[], '{}'),
    coalesce($9::text[], '{}'), coalesce($10::bigint[], '{}'))
ON CONFLICT (partition, next, part) DO UPDATE SET
    (users, push_ids, positions, digests, times, floor_users, floors) =
    (excluded.users, excluded.push_ids, excluded.positions, excluded.digests, excluded.times, excluded.floor_users, excluded.floors)
