package sqlitedb

// Queued is the number of changes that wait for their turn.
func (db *DB) Queued() int {
	db.group.mu.Lock()
	defer db.group.mu.Unlock()
	return len(db.group.queue)
}

// Commits is the number of transactions that were committed to a file.
func (db *DB) Commits() uint64 {
	db.disk.mu.Lock()
	defer db.disk.mu.Unlock()
	return db.disk.commits
}
