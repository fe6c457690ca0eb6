package schemas

// Once is once.
var Once = once
