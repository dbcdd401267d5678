"""Pictures of nets: from a graph to a drawing, and from a drawing to boxes and edges and to the formats that show them."""
