// Package deploy holds compose.yaml and the Dockerfile against the binary,
// without containers.
//
//	compose.yaml ──read, interpolated──▶ services ──▶ what stands in them is true
//	                                        └──▶ the same commands and variables as
//	                                             processes, on embedded engines
//
// What it cannot show: that the images can be had, and what they do with their
// own variables. Their tools and folders stand in a table here, which says where
// it knows them from.
//
// Nothing here is part of the product.
package deploy
