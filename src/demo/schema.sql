CREATE TABLE products (
  url TEXT PRIMARY KEY,
  retailer TEXT NOT NULL,
  title TEXT,
  price REAL,
  description TEXT,
  image_urls TEXT,
  product_code TEXT,
  shopify_id INTEGER,
  lifecycle_stage TEXT,
  assessed_at TEXT,
  modesty_status TEXT,
  shopify_status TEXT,
  assessment_status TEXT,
  data_completeness REAL,
  last_workflow TEXT,
  extracted_at TEXT,
  last_checked TEXT,
  first_seen TEXT,
  last_updated TEXT
);
CREATE INDEX products_by_stage ON products(lifecycle_stage, retailer);

CREATE TABLE assessment_queue (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  product_url TEXT NOT NULL,
  retailer TEXT NOT NULL,
  category TEXT,
  review_type TEXT NOT NULL,
  priority TEXT DEFAULT 'normal',
  status TEXT DEFAULT 'pending',
  product_data TEXT,
  suspected_match_data TEXT,
  review_decision TEXT,
  reviewer_notes TEXT,
  reviewed_at TEXT,
  reviewed_by TEXT,
  added_at TEXT,
  source_workflow TEXT,
  UNIQUE(product_url, review_type)
);
CREATE INDEX queue_by_status ON assessment_queue(status, priority);

CREATE TABLE catalog_products (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  catalog_url TEXT NOT NULL,
  retailer TEXT NOT NULL,
  category TEXT,
  title TEXT,
  price REAL,
  discovered_at TEXT,
  review_status TEXT,
  UNIQUE(catalog_url, retailer)
);

CREATE TABLE retailer_url_patterns (
  retailer TEXT PRIMARY KEY,
  url_pattern TEXT NOT NULL,
  code_pattern TEXT,
  confidence REAL,
  last_updated TEXT
);

CREATE TABLE product_update_queue (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  product_url TEXT NOT NULL REFERENCES products(url),
  reason TEXT,
  priority TEXT DEFAULT 'normal',
  status TEXT DEFAULT 'pending',
  added_at TEXT
);
